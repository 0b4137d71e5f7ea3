# The resource policy that is installed where an operator has set none (policy id `resource-policy`).
#
#   input   the claims of the verified attestation token
#   data    {"plugin": "resource", "resource-path": ["repository", "type", "tag"], "query": {...}}
#
# A resource is released to a token with at least one submodule, all of which were appraised as affirming or warning. An
# operator who wants more writes a policy of his own: for example by resource path, by measurement, or by who was attested.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	is_object(input.submods)
	input.submods != {}
	every _, submodule in input.submods {
		submodule["ear.status"] in {"affirming", "warning"}
	}
}
