#!/usr/bin/env bash
# Rotates a PostgreSQL credential the way people do: new role, Secret, restart, wait for the rollout, drop the old role.
#   rotate.sh naive|careful NAMESPACE SELECTOR SECRET OLD_ROLE NEW_ROLE OWNER PLACE
# `careful` also waits until no old pod is left before it drops the old role. Neither asks who still uses it.
set -euo pipefail
how=$1 namespace=$2 selector=$3 secret=$4 old=$5 new=$6 owner=$7 place=$8
sql() { kubectl exec -i -n "$namespace" postgres-0 -c postgres -- psql -qX -v ON_ERROR_STOP=1 -h /tmp -U postgres shop; }

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "CREATE ROLE $new LOGIN PASSWORD '$password' IN ROLE $owner;" | sql
kubectl create secret generic "$secret" -n "$namespace" --dry-run=client -o yaml \
  --from-literal=DATABASE_URL="postgresql://$new:$password@$place" | kubectl apply -f -
before=$(kubectl get pods -n "$namespace" -l "$selector" -o name)
kubectl rollout restart deployment -n "$namespace" -l "$selector"
for deployment in $(kubectl get deployments -n "$namespace" -l "$selector" -o name); do
  kubectl rollout status "$deployment" -n "$namespace" --timeout=10m
done
if [ "$how" = careful ]; then
  # shellcheck disable=SC2086 # one word a pod
  kubectl wait --for=delete -n "$namespace" $before --timeout=10m
fi
echo "DROP ROLE $old;" | sql
