# The appraisal of CPU evidence that is installed where an operator has set none (policy id `default_cpu`).
#
# It answers with an AR4SI trust vector. Without reference values, and for a TEE that has no rules here, executables are
# unrecognised (33), hardware is unrecognised (97) and the configuration is unavailable (36): contraindicated.
#
# A reference value that is missing satisfies nothing. Claims and reference values are compared only where their types are
# equal: in Rego, values of different types have an order, and `1 >= false` holds.
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

# --- sample: proves nothing, and shows how the rules work -----------------------------------------------------------

executables := 3 if listed(input.sample.launch_digest, "launch_digest")

hardware := 2 if {
	listed(input.sample.svn, "svn")
	equal(input.sample.platform_version.major, "major_version")
	at_least(input.sample.platform_version.minor, "minimum_minor_version")
}

configuration := 2 if input.sample.debug == false

# --- AMD SEV-SNP ----------------------------------------------------------------------------------------------------

executables := 3 if listed(input.snp.measurement, "snp_launch_measurement")

hardware := 2 if {
	listed(input.snp.reported_tcb_bootloader, "snp_bootloader")
	listed(input.snp.reported_tcb_microcode, "snp_microcode")
	listed(input.snp.reported_tcb_snp, "snp_snp_svn")
	listed(input.snp.reported_tcb_tee, "snp_tee_svn")
}

configuration := 2 if {
	snp_closed
	equal(input.snp.platform_smt_enabled, "snp_smt_enabled")
	equal(input.snp.platform_tsme_enabled, "snp_tsme_enabled")
	equal(input.snp.policy_abi_major, "snp_guest_abi_major")
	equal(input.snp.policy_abi_minor, "snp_guest_abi_minor")
	equal(input.snp.policy_single_socket, "snp_single_socket")
	equal(input.snp.policy_smt_allowed, "snp_smt_allowed")
} else := 3 if snp_closed

snp_closed if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

# --- Intel TDX ------------------------------------------------------------------------------------------------------

executables := 3 if {
	tdx_registers
	tdx_kernel
	tdx_kernel_parameters
} else := 4 if tdx_registers

hardware := 2 if {
	genuine_td(input.tdx)
	input.tdx.collateral_expiration_status == "0"
}

configuration := 2 if {
	input.tdx.td_attributes.debug == false
	listed(input.tdx.quote.body.xfam, "xfam")
}

tdx_registers if {
	listed(input.tdx.quote.body.rtmr_1, "rtmr_1")
	listed(input.tdx.quote.body.rtmr_2, "rtmr_2")
}

tdx_kernel if {
	some event in elements(input.tdx.uefi_event_logs)
	event.type_name == "EV_EFI_BOOT_SERVICES_APPLICATION"
	"File(kernel)" in event.details.device_paths
	has_digest(event, "tdvfkernel")
}

tdx_kernel_parameters if {
	some event in elements(input.tdx.uefi_event_logs)
	event.type_name == "EV_EVENT_TAG"
	event.details.string == "LOADED_IMAGE::LoadOptions"
	has_digest(event, "tdvfkernelparams")
}

# --- SEV-SNP and TDX behind Azure's virtual TPM: all SNP claims are strings -----------------------------------------

executables := 3 if {
	listed(input["az-snp-vtpm"].measurement, "measurement")
	listed(input["az-snp-vtpm"].tpm.pcr11, "snp_pcr11")
}

hardware := 2 if {
	listed(input["az-snp-vtpm"].reported_tcb_bootloader, "tcb_bootloader")
	listed(input["az-snp-vtpm"].reported_tcb_microcode, "tcb_microcode")
	listed(input["az-snp-vtpm"].reported_tcb_snp, "tcb_snp")
	listed(input["az-snp-vtpm"].reported_tcb_tee, "tcb_tee")
}

configuration := 2 if {
	listed(input["az-snp-vtpm"].platform_smt_enabled, "smt_enabled")
	listed(input["az-snp-vtpm"].platform_tsme_enabled, "tsme_enabled")
	listed(input["az-snp-vtpm"].policy_abi_major, "abi_major")
	listed(input["az-snp-vtpm"].policy_abi_minor, "abi_minor")
	listed(input["az-snp-vtpm"].policy_single_socket, "single_socket")
	listed(input["az-snp-vtpm"].policy_smt_allowed, "smt_allowed")
}

executables := 3 if listed(input["az-tdx-vtpm"].tpm.pcr11, "tdx_pcr11")

hardware := 2 if genuine_td(input["az-tdx-vtpm"])

configuration := 2 if listed(input["az-tdx-vtpm"].quote.body.xfam, "xfam")

# --- a TPM alone: its key is self-asserted, so it counts only where the operator has listed it ----------------------

executables := 3 if {
	listed(input.tpm.pcr11, "tpm_pcr11")
	listed(input.tpm.ak_public, "trusted_aks")
}

hardware := 2 if listed(input.tpm.ak_public, "trusted_aks")

configuration := 0 if input.tpm

# --- IBM Secure Execution: what there is to check, the verifier has checked against the operator's keys -------------

executables := 3 if input.se

hardware := 2 if input.se

configuration := 2 if input.se

# --- what the token says about the guest beside the vector ----------------------------------------------------------

extensions := [{
	"name": "ear.trustee.identifiers",
	"key": -18,
	"value": {"validated": {name: values |
		some name, values in identifiers(input.init_data_claims.agent_policy_claims.containers)
		values != []
	}},
}]

identifiers(containers) := {
	"container_images": [image |
		some container in containers
		image := container.OCI.Annotations["io.kubernetes.cri.image-name"]
		is_string(image)
	],
	"container_uids": [uid |
		some container in containers
		uid := container.OCI.Process.User.UID
		is_number(uid)
	],
} if is_array(containers)

# --- how claims and reference values are compared -------------------------------------------------------------------

# What can be walked through: for anything but an array there is nothing, not an error.
elements(claim) := claim if is_array(claim)

# The claim is one of the reference values, which are an array. Null, the empty string, arrays and objects are no claims,
# even if the reference values hold them.
listed(claim, id) if {
	values := query_reference_value(id)
	is_array(values)
	claim in values
	type_name(claim) in {"boolean", "number", "string"}
	claim != ""
}

# The claim is the reference value, with the same exceptions. Equality of different types is false.
equal(claim, id) if {
	claim == query_reference_value(id)
	type_name(claim) in {"boolean", "number", "string"}
	claim != ""
}

# Both are numbers, and the claim is not below the reference value.
at_least(claim, id) if {
	is_number(claim)
	floor := query_reference_value(id)
	is_number(floor)
	claim >= floor
}

# A TD of genuine hardware with up-to-date firmware, and a firmware measurement that the operator knows.
genuine_td(claims) if {
	claims.quote.header.tee_type == "81000000"
	claims.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	claims.tcb_status == "UpToDate"
	listed(claims.quote.body.mr_td, "mr_td")
}

# One of the digests of an event is the reference value.
has_digest(event, id) if {
	some entry in elements(event.digests)
	is_string(entry.digest)
	equal(entry.digest, id)
}
