"""The Attestation Service: endorsements, appraisal by policy, EAR tokens, `restful-as`."""
