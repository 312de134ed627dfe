module payflow.dev/tools/definitions

go 1.26.0

// Nothing of these is compiled: tests read the definitions of their resources, which come with the source.
require (
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
