# Everything is released, by every plugin, to a token with at least one submodule, all of which were appraised as affirming.
# A submodule that does not say how it was appraised blocks.
package policy

import rego.v1

default allow := false

allow if {
	is_object(input.submods)
	input.submods != {}
	every _, submodule in input.submods {
		submodule["ear.status"] == "affirming"
	}
}
