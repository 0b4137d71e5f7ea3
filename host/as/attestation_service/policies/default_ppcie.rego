# The appraisal of a whole board of GPUs and switches that is installed where an operator has set none (policy id
# `default_ppcie`). The verifier makes these claims only when every device on the board fits; hardware and executables are
# appraised device by device, by `default_gpu` and `default_switch`.
package policy

import rego.v1

trust_claims := {
	"instance-identity": 0,
	"configuration": 2,
	"executables": 0,
	"file-system": 0,
	"hardware": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
