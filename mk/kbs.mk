# The brokers of the three deployments. Where a compiled broker is built for its deployment, this one is set up for it:
# `…-kbs` writes a configuration and keys below .work/, `install-…` a launcher into DESTDIR that runs `kbs` from here.
DESTDIR ?= /usr/local/bin
SETUPS := .work

# $(call set_up,KIND): what to run, in a line
define set_up
	config=$$($(BIN)/python -m deploy.setups $(1) $(SETUPS)/$(1)) && echo "$(1)-kbs: ok (run: $(BIN)/kbs -c $$config)"
endef

# $(call launcher,TARGET,NAME)
define launcher
	install -d $(DESTDIR) && printf '#!/bin/sh\nexec "%s" "$$@"\n' "$(CURDIR)/$(BIN)/kbs" > $(DESTDIR)/$(2) && \
	chmod 755 $(DESTDIR)/$(2) && echo "$(1): ok ($(DESTDIR)/$(2))"
endef

.PHONY: background-check-kbs passport-issuer-kbs passport-resource-kbs install-kbs install-issuer-kbs install-resource-kbs
background-check-kbs: $(STAMP) ## Set up a broker that attests guests and holds resources, below .work/
	@$(call set_up,background-check)

passport-issuer-kbs: $(STAMP) ## Set up a broker that issues tokens, with an authority for them, below .work/
	@$(call set_up,passport-issuer)

passport-resource-kbs: $(STAMP) ## Set up a broker that holds resources for the tokens of the issuer, below .work/
	@$(call set_up,passport-resource)

install-kbs: $(STAMP) ## Put a launcher `kbs` into DESTDIR (/usr/local/bin)
	@$(call launcher,$@,kbs)

install-issuer-kbs: $(STAMP) ## Put a launcher `issuer-kbs` into DESTDIR
	@$(call launcher,$@,issuer-kbs)

install-resource-kbs: $(STAMP) ## Put a launcher `resource-kbs` into DESTDIR
	@$(call launcher,$@,resource-kbs)
