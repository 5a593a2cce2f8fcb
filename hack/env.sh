# Sourced by every hack/ command: puts a pinned `uv` on PATH and makes the project's environment.
# It installs nothing outside the project's .venv and the user's cache.
set -euo pipefail
KEYTURN_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
KEYTURN_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/keyturn"
KEYTURN_UV_VERSION="0.13.9"
export KEYTURN_ROOT KEYTURN_CACHE
cd "$KEYTURN_ROOT"
if [ ! -x "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION/bin/uv" ]; then
  echo "keyturn: installing uv $KEYTURN_UV_VERSION into $KEYTURN_CACHE" >&2
  python3 -m venv "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION.new"
  "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION.new/bin/pip" install --quiet --disable-pip-version-check "uv==$KEYTURN_UV_VERSION"
  mv -T "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION.new" "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION" 2>/dev/null \
    || rm -rf "$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION.new"
fi
export PATH="$KEYTURN_CACHE/uv-$KEYTURN_UV_VERSION/bin:$PATH"
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 PYTHONPATH="$KEYTURN_ROOT/operator:$KEYTURN_ROOT/hack${PYTHONPATH:+:$PYTHONPATH}"
uv sync --quiet --frozen --all-extras
