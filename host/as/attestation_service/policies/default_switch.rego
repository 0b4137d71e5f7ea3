# The appraisal of NVSwitch evidence that is installed where an operator has set none (policy id `default_switch`).
#
# The claims are those of NVIDIA's remote attestation service, version 3. What is missing stays unrecognised: executables 33,
# hardware 97, configuration 36, contraindicated.
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
	trusted_chain(input.nvidia["x-nvidia-switch-attestation-report-cert-chain"])
	input.nvidia["x-nvidia-switch-attestation-report-cert-chain-fwid-match"] == true
	input.nvidia["x-nvidia-switch-attestation-report-parsed"] == true
	input.nvidia["x-nvidia-switch-attestation-report-signature-verified"] == true
	input.nvidia["x-nvidia-switch-arch-check"] == true
}

configuration := 2 if {
	locked_down
	listed(input.nvidia["x-nvidia-switch-bios-version"], "allowed_switch_bios_versions")
} else := 3 if locked_down

executables := 3 if {
	trusted_chain(input.nvidia["x-nvidia-switch-bios-rim-cert-chain"])
	every check in ["fetched", "schema-validated", "signature-verified", "version-match", "measurements-available"] {
		input.nvidia[sprintf("x-nvidia-switch-bios-rim-%s", [check])] == true
	}
	input.nvidia.measres == "success"
}

locked_down if {
	input.nvidia.secboot == true
	input.nvidia.dbgstat == "disabled"
}

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
