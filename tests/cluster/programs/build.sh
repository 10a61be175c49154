#!/usr/bin/env bash
# Builds and fetches what `make cluster` needs, once, into a folder that is then kept: up to 45 minutes on two quiet
# cores. By the ordinary clients of Go, Maven and Debian; every version is fixed, and every module known by its sum.
#   build.sh FOLDER JAVA      JAVA: of version 21 or newer, for Strimzi's generator of CRDs
set -euo pipefail
folder=$(realpath -m "$1") java=$2 here=$(dirname "$(realpath "$0")") kubernetes=v1.37.2
for program in go mvn kubectl apt-get dpkg; do
  command -v "$program" > /dev/null || { echo "make cluster needs $program; install it first" >&2; exit 1; }
done
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false
mkdir -p "$folder/crds" "$folder/stages"

module() { # MODULE@VERSION SUM: its folder, if it is what it was
  local told; told=$(cd "$here" && go mod download -json "$1")
  [ "$(sed -nE 's/.*"Sum": "([^"]*)".*/\1/p' <<< "$told")" = "$2" ] || { echo "$1 has another sum than $2" >&2; exit 1; }
  sed -nE 's/.*"Dir": "([^"]*)".*/\1/p' <<< "$told"
}
build() { # NAME FOLDER PACKAGE [FLAG]: unless it is there
  [ -x "$folder/$1" ] && return
  echo "building $1"
  (cd "$2" && nice -n 19 go build -trimpath -ldflags "-s -w ${4:-}" -o "$folder/$1.part" "$3")
  mv "$folder/$1.part" "$folder/$1"
}

if [ ! -x "$folder/etcd" ]; then # as a program alone: its package would start a service
  (cd "$folder" && apt-get download -qq etcd-server && dpkg -x etcd-server_*.deb unpacked && mv unpacked/usr/bin/etcd . && rm -r unpacked etcd-server_*.deb)
fi
version=k8s.io/component-base/version
for name in kube-apiserver kube-controller-manager kube-scheduler; do
  build $name "$here" k8s.io/kubernetes/cmd/$name "-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=37"
done
keda=$(module github.com/kedacore/keda/v2@v2.21.0 h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=)
build keda-operator "$keda" ./cmd/operator
build keda-adapter "$keda" ./cmd/adapter
kwok=$(module sigs.k8s.io/kwok@v0.8.0 h1:OTIOTwgROqPMovcTwxICx2eYQ4AwLpSx5EpjbDKF4SQ=)
build kwok "$kwok" ./cmd/kwok
for stage in node/fast node/heartbeat-with-lease pod/fast; do
  kubectl kustomize "$kwok/kustomize/stage/$stage" > "$folder/stages/${stage/\//-}.yaml"
done

cp "$keda"/config/crd/bases/*.yaml "$folder/crds"
prometheus=$(module github.com/prometheus-operator/prometheus-operator@v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=)
cp "$prometheus"/example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml "$folder/crds"
certificates=$(module github.com/cert-manager/cert-manager@v1.21.2 h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=)
cp "$certificates"/deploy/crds/cert-manager.io_{certificates,issuers}.yaml "$folder/crds"
postgresql=$(module github.com/cloudnative-pg/cloudnative-pg@v1.27.0 h1:mp0zlYO4vKAJmQdArWORWKr1lmB4Hj8JeBQGX5RBnpg=)
cp "$postgresql"/config/crd/bases/postgresql.cnpg.io_clusters.yaml "$folder/crds"
if [ ! -e "$folder/crds/strimzi-nodepool.yaml" ]; then
  echo "making the CRDs of Strimzi"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/strimzi"
  model=io.strimzi.api.kafka.model
  "$java" -cp "$folder/strimzi/*" io.strimzi.crdgenerator.CrdGenerator --yaml --target-kube 1.30+ \
    $model.topic.KafkaTopic="$folder/crds/strimzi-topic.yaml" $model.user.KafkaUser="$folder/crds/strimzi-user.yaml" \
    $model.kafka.Kafka="$folder/crds/strimzi-kafka.yaml" $model.nodepool.KafkaNodePool="$folder/crds/strimzi-nodepool.yaml"
  rm -r "$folder/strimzi"
fi
chmod -R u+w "$folder"
