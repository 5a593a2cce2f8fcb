"""The pure heart: values in, values out. Nothing here touches the world."""
