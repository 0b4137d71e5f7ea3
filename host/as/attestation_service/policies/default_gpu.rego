# The appraisal of GPU evidence that is installed where an operator has set none (policy id `default_gpu`).
#
# The claims are those of NVIDIA's remote attestation service, version 3. What the local verifier emits has other names, and
# stays unrecognised: executables 33, hardware 97, configuration 36, contraindicated. So does sample device evidence.
package policy

import rego.v1

trust_claims := {
	"instance-identity": 0,
	"configuration": configuration,
	"executables": executables,
	"file-system": 0,
	"hardware": hardware,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

default executables := 33

default hardware := 97

default configuration := 36

hardware := 2 if {
	trusted_chain(input.nvidia["x-nvidia-gpu-attestation-report-cert-chain"])
	input.nvidia["x-nvidia-gpu-attestation-report-cert-chain-fwid-match"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-parsed"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-signature-verified"] == true
	input.nvidia["x-nvidia-gpu-arch-check"] == true
}

configuration := 2 if {
	locked_down
	listed(input.nvidia["x-nvidia-gpu-vbios-version"], "allowed_vbios_versions")
	listed(input.nvidia["x-nvidia-gpu-driver-version"], "allowed_driver_versions")
} else := 3 if locked_down

executables := 3 if {
	trusted_chain(input.nvidia["x-nvidia-gpu-vbios-rim-cert-chain"])
	every claim in manifest_claims {
		input.nvidia[claim] == true
	}
	input.nvidia.measres == "success"
}

locked_down if {
	input.nvidia.secboot == true
	input.nvidia.dbgstat == "disabled"
}

# The manifests of reference measurements for both parts were found, are genuine, and cover what was measured.
manifest_claims := [sprintf("x-nvidia-gpu-%s-rim-%s", [part, check]) |
	some part in ["driver", "vbios"]
	some check in ["fetched", "schema-validated", "signature-verified", "version-match", "measurements-available"]
]

trusted_chain(chain) if {
	chain["x-nvidia-cert-ocsp-status"] == "good"
	chain["x-nvidia-cert-status"] == "valid"
}

# The claim is a version that the operator has listed. A missing list satisfies nothing.
listed(claim, id) if {
	is_string(claim)
	claim != ""
	values := query_reference_value(id)
	is_array(values)
	claim in values
}
