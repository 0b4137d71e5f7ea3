# Stubs come from grpcio-tools. The .proto files are compiled under their import path, so that their names in the
# process-wide descriptor pool (attestation_protocol/proto/attestation.proto) clash with nobody's attestation.proto.
PROTOS := $(sort $(wildcard protocol/attestation_protocol/proto/*.proto))
STUBS := protocol/attestation_protocol/stubs

# $(call compile_protos,DIRECTORY): the stubs of all .proto files, into an existing directory
define compile_protos
	tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	$(BIN)/python -m grpc_tools.protoc -I protocol --python_out="$$tmp" --pyi_out="$$tmp" $(PROTOS) && \
	sed -i 's/^from attestation_protocol\.proto import/from attestation_protocol.stubs import/' "$$tmp"/attestation_protocol/proto/*_pb2.py* && \
	cp "$$tmp"/attestation_protocol/proto/*_pb2.py "$$tmp"/attestation_protocol/proto/*_pb2.pyi $(1)
endef

.PHONY: protos protos-check
protos: $(STAMP) ## Compile the .proto files into the committed stubs
	@rm -f $(STUBS)/*_pb2.py $(STUBS)/*_pb2.pyi
	@$(call compile_protos,$(STUBS))
	@echo "protos: ok ($(words $(PROTOS)) files)"

protos-check: $(STAMP) ## Fail when the committed stubs are not what the .proto files compile to
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	( $(call compile_protos,"$$fresh") ); \
	diff -r --exclude=__init__.py --exclude=__pycache__ $(STUBS) "$$fresh" || { echo "protos-check: the stubs are stale: run make protos" >&2; exit 1; }
	@echo "protos-check: ok"
