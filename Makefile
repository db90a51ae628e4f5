# std-fpm: `make run` to see it work, `make test` to prove it. `make help` lists the rest.
# Everything made lies in dist/ and node_modules/ (and examples/*/*.fcgi for compiled examples).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

BIN := node_modules/.bin
BUN := $(BIN)/bun
SETUP := node_modules/.setup-done
CFLAGS ?= -O2 -Wall -Wextra

SOURCES := $(shell find src -type f) build.ts package.json package-lock.json
EXAMPLES := $(patsubst %.c,%.fcgi,$(wildcard examples/c/*.c))
# These need compilers that `make run` does not ask for.
MORE_EXAMPLES := $(patsubst %.cpp,%.fcgi,$(wildcard examples/cpp/*.cpp)) \
  $(patsubst %.go,%.fcgi,$(wildcard examples/go/*.go))
FIXTURE_SOURCES := $(wildcard test/fixtures/programs/*.c)
FIXTURES := $(FIXTURE_SOURCES:test/fixtures/programs/%.c=dist/test-programs/%)

# What the tests and the examples take from Debian. PACKAGES_RUN is what `make run` likes to have.
PACKAGES_RUN := gcc libc6-dev libfcgi-dev libfcgi-perl libcgi-fast-perl php-cgi
PACKAGES_SERVERS := nginx-light apache2-bin lighttpd caddy haproxy
PACKAGES_LANGUAGES := g++ golang-go libplack-perl libfcgi-procmanager-perl luajit python3 ruby ruby-fcgi
PACKAGES_RECIPES := git cgit adminer munin python3-radicale cgi-mapserver
PACKAGES_DEB := debhelper fakeroot lintian dpkg-dev
# What runs the executable for arm64, and what a package of it is made with elsewhere.
PACKAGES_ARM64 := qemu-user-static libc6:arm64
PACKAGES_DEB_ARM64 := libc6:arm64 binutils-aarch64-linux-gnu
PACKAGES_STATUS := python3-prometheus-client prometheus
PACKAGES_BROWSER := chromium fonts-dejavu-core
PACKAGES_TOOLS := zsh fish curl
PACKAGES := $(PACKAGES_RUN) $(PACKAGES_SERVERS) $(PACKAGES_LANGUAGES) $(PACKAGES_RECIPES) $(PACKAGES_STATUS) $(PACKAGES_BROWSER) $(PACKAGES_TOOLS) spawn-fcgi fcgiwrap php-fpm wrk

# Not in parallel: they measure times, and share the machine.
.NOTPARALLEL:
.PHONY: help test-setup setup setup-debian build run programs check test unit integration compatibility bench bench-against bench-decoder bench-status screenshots simulate chaos soak clean generated install uninstall dist release deb rpm deb-arm64 rpm-arm64 packages test-packages test-arm64

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## the npm packages, in the versions of the lock file

# Not `npm ci`: it refuses a lock file that lacks another platform's optional packages. This installs the same
# versions, checked by the same hashes, and leaves the lock file alone. Where npm does not run the install script
# of the bun package (npm ≥ 12 asks for leave), we run it: it only puts the executable in its place.
$(SETUP): package.json package-lock.json
	npm install --no-save --no-audit --no-fund
	@$(BUN) --version >/dev/null 2>&1 || node node_modules/bun/install.js
	@test "$$($(BUN) --version)" = "$$(node -p 'require("./package.json").devDependencies.bun')"
	@touch $@

setup-debian: ## the Debian packages of the tests (installs as root, else prints the command)
	@scripts/debian-packages $(PACKAGES)

build: dist/std-fpm ## dist/std-fpm, the executable

dist/std-fpm: $(SETUP) $(SOURCES)
	@mkdir -p dist
	$(BUN) run build.ts
	@touch $@

dist/arm64/std-fpm: $(SETUP) $(SOURCES)
	$(BUN) run build.ts $@ bun-linux-arm64
	@touch $@

run: build ## serve examples/ at http://localhost:8080 (PORT=… for another port)
	@scripts/debian-packages --optional $(PACKAGES_RUN)
	@if test -e /usr/include/fcgiapp.h && command -v $(CC) >/dev/null; then $(MAKE) -s examples; \
	  else echo 'examples/c is left out: it needs a C compiler and libfcgi-dev' >&2; fi
	PATH="$(CURDIR)/$(BIN):$$PATH" dist/std-fpm dev examples --config examples/std-fpm.toml $(if $(PORT),--port $(PORT))

.PHONY: examples
examples: $(EXAMPLES)

examples/c/%.fcgi: examples/c/%.c
	$(CC) $(CFLAGS) -pthread -o $@ $< -lfcgi

examples/cpp/%.fcgi: examples/cpp/%.cpp
	$(CXX) $(CFLAGS) -std=c++17 -o $@ $< -lfcgi++ -lfcgi

examples/go/%.fcgi: examples/go/%.go
	go build -o $@ $<

programs: $(FIXTURES) $(EXAMPLES) $(MORE_EXAMPLES)

dist/test-programs/%: test/fixtures/programs/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $< -lfcgi

check: $(SETUP) ## types, style, unused code, architecture
	$(BIN)/tsc -p .
	$(BIN)/tsc -p src/admin/dashboard
	$(BIN)/biome check --error-on-warnings
	$(BIN)/knip
	@mkdir -p dist/test-results
	$(call bun-test,architecture,test/architecture.test.ts)

test: check unit integration packages ## everything: check, unit and integration tests, packages

unit: $(SETUP) ## the unit tests
	$(call bun-test,unit,test/unit)

# With --keep-going each suite runs, whatever became of the one before. The chaos run and the changed streams are in small.
SUITES := integration browser servers languages soak chaos
integration: $(SUITES:%=suite-%) ## real web servers, real programs, a real browser, the compiled executable

suite-%: export CHAOS_SECONDS := $(or $(CHAOS_SECONDS),6)
suite-%: test-setup
	$(call bun-test,$*,test/$*)

test-setup: setup-debian
	@$(MAKE) build programs

compatibility: setup-debian ## every web server, every language; renews the tables of docs/compatibility.md
	@$(MAKE) build programs
	$(call bun-test,servers,test/servers)
	$(call bun-test,languages,test/languages)
	$(BUN) test/compatibility/write.ts

bench: setup-debian ## what a request costs, std-fpm beside a floor of plain sockets and the program alone, PHP beside php-fpm (ROUNDS=… DURATION=…)
	@$(MAKE) build programs
	$(BUN) bench/run.ts
	$(BUN) bench/php.ts

bench-against: setup-debian ## CPU a request, this std-fpm and another one in turns (BEFORE=/path/to/std-fpm)
	@$(MAKE) build programs
	$(BUN) bench/against.ts

bench-decoder: $(SETUP) ## the record decoder alone
	$(BUN) bench/decoder.ts

bench-status: $(SETUP) ## what an answer about the status costs, and how long the event loop stands for it (PROGRAMS=…)
	$(BUN) bench/status-turns.ts $(PROGRAMS)

chaos: setup-debian ## a minute of 50 clients while processes are killed, programs, settings and std-fpm replaced (CHAOS_SECONDS=…)
	@$(MAKE) build programs
	$(BUN) test ./test/chaos

soak: setup-debian ## half an hour of the same (SOAK_SECONDS=…), a million changed streams (STREAMS=…), a million lines of the access log
	@$(MAKE) build programs
	FUZZ_FACTOR=50 $(BUN) test --timeout 3600000 ./test/unit/front-ids.test.ts ./test/unit/relay-ids.test.ts
	ACCESS_LOG_REQUESTS=1000000 $(BUN) test ./test/integration/access-log.test.ts
	STREAMS=$(or $(STREAMS),1000000) $(BUN) test ./test/soak
	CHAOS_SECONDS=$(or $(SOAK_SECONDS),1800) $(BUN) test ./test/chaos

screenshots: setup-debian ## the pictures of the dashboard in docs/images, after three minutes of traffic
	@$(MAKE) build programs
	@mkdir -p docs/images
	$(BUN) test/browser/screenshots.ts

simulate: $(SETUP) ## the process policy against others, in virtual time; WRITE=1 renews docs/scaling.md
	$(BUN) bench/simulator/run.ts $(if $(WRITE),--write)

generated: $(SETUP) ## the files that are made from the source: manual pages, completions, tables of the configuration
	$(BUN) scripts/generate.ts

PREFIX ?= /usr
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/std-fpm
ZSHDIR ?= $(PREFIX)/share/zsh/vendor-completions
VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)

EXECUTABLE ?= dist/std-fpm

install: $(EXECUTABLE) ## the executable, its configuration, units, manual pages and completions (DESTDIR=… PREFIX=…)
	install -Dm 755 $(EXECUTABLE) $(DESTDIR)$(PREFIX)/bin/std-fpm
	install -dm 755 $(DESTDIR)$(SYSCONFDIR)/std-fpm/conf.d $(DESTDIR)$(SYSCONFDIR)/std-fpm/instances
	test -e $(DESTDIR)$(SYSCONFDIR)/std-fpm/std-fpm.toml || \
	  sed -E 's/^([a-z_]+ = )/# \1/' src/config/default.toml >$(DESTDIR)$(SYSCONFDIR)/std-fpm/std-fpm.toml
	install -dm 755 $(DESTDIR)$(UNITDIR)
	for unit in std-fpm.service std-fpm.socket std-fpm@.service; do \
	  sed 's#/usr/bin/std-fpm#$(PREFIX)/bin/std-fpm#' "systemd/$$unit" >"$(DESTDIR)$(UNITDIR)/$$unit" && \
	  chmod 644 "$(DESTDIR)$(UNITDIR)/$$unit" || exit 1; done
	install -dm 755 $(DESTDIR)$(PREFIX)/lib/std-fpm
	sed 's#/usr/bin/std-fpm#$(PREFIX)/bin/std-fpm#' systemd/each-running >$(DESTDIR)$(PREFIX)/lib/std-fpm/each-running
	chmod 755 $(DESTDIR)$(PREFIX)/lib/std-fpm/each-running
	install -Dm 644 systemd/std-fpm.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/std-fpm.conf
	install -Dm 644 systemd/std-fpm.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/std-fpm.conf
	install -dm 755 $(DESTDIR)$(SYSCONFDIR)/logrotate.d
	sed 's#/usr/lib/std-fpm#$(PREFIX)/lib/std-fpm#' systemd/std-fpm.logrotate >$(DESTDIR)$(SYSCONFDIR)/logrotate.d/std-fpm
	chmod 644 $(DESTDIR)$(SYSCONFDIR)/logrotate.d/std-fpm
	install -Dm 644 man/std-fpm.8 $(DESTDIR)$(PREFIX)/share/man/man8/std-fpm.8
	install -Dm 644 man/std-fpm.toml.5 $(DESTDIR)$(PREFIX)/share/man/man5/std-fpm.toml.5
	install -Dm 644 completions/std-fpm.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/std-fpm
	install -Dm 644 completions/_std-fpm $(DESTDIR)$(ZSHDIR)/_std-fpm
	install -Dm 644 completions/std-fpm.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/std-fpm.fish
	install -dm 755 $(DESTDIR)$(DOCDIR)
	cp -r README.md CHANGELOG.md docs $(DESTDIR)$(DOCDIR)/

uninstall: ## what `install` put there, except the configuration
	rm -f $(DESTDIR)$(PREFIX)/bin/std-fpm $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/std-fpm.conf
	rm -f $(DESTDIR)$(UNITDIR)/std-fpm.service $(DESTDIR)$(UNITDIR)/std-fpm.socket $(DESTDIR)$(UNITDIR)/std-fpm@.service
	rm -f $(DESTDIR)$(SYSCONFDIR)/logrotate.d/std-fpm
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/std-fpm.8 $(DESTDIR)$(PREFIX)/share/man/man5/std-fpm.toml.5
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/std-fpm
	rm -f $(DESTDIR)$(ZSHDIR)/_std-fpm
	rm -f $(DESTDIR)$(PREFIX)/lib/std-fpm/each-running $(DESTDIR)$(PREFIX)/lib/sysusers.d/std-fpm.conf
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/std-fpm.fish
	rm -rf $(DESTDIR)$(DOCDIR)

dist: ## the source as an archive, as the last commit has it
	@mkdir -p dist
	git archive --prefix=std-fpm-$(VERSION)/ -o dist/std-fpm-$(VERSION).tar.gz HEAD

release: $(SETUP) ## executables for x64 and arm64, and for x64 with musl, with their checksums (what was run: docs/packages.md)
	$(BUN) run build.ts dist/release/std-fpm-$(VERSION)-linux-x64 bun-linux-x64
	$(BUN) run build.ts dist/release/std-fpm-$(VERSION)-linux-x64-musl bun-linux-x64-musl
	$(BUN) run build.ts dist/release/std-fpm-$(VERSION)-linux-arm64 bun-linux-arm64
	cd dist/release && sha256sum std-fpm-$(VERSION)-linux-* >SHA256SUMS

deb: build ## dist/packages/std-fpm_*.deb
	@scripts/debian-packages $(PACKAGES_DEB)
	scripts/build-deb

rpm: build ## dist/packages/std-fpm-*.rpm
	@scripts/debian-packages rpm
	scripts/build-rpm

deb-arm64: dist/arm64/std-fpm ## dist/arm64/std-fpm_*.deb, on any machine
	@scripts/debian-packages $(PACKAGES_DEB) $(PACKAGES_DEB_ARM64)
	scripts/build-deb dist/arm64/std-fpm arm64

rpm-arm64: dist/arm64/std-fpm ## dist/arm64/std-fpm-*.rpm, on any machine
	@scripts/debian-packages rpm
	scripts/build-rpm dist/arm64/std-fpm aarch64

packages: deb rpm ## both packages, and a look at what is in them
	@scripts/debian-packages cpio mandoc systemd
	$(call bun-test,packages,test/packages/contents)

test-packages: packages deb-arm64 rpm-arm64 ## those for arm64 too; the Debian package installed, upgraded under load and purged in roots of its own, one booted (as root)
	@scripts/debian-packages debootstrap systemd-container
	$(call bun-test,packages-arm64,test/packages/arm64)
	$(call bun-test,packages-root,test/packages/root)

test-arm64: setup-debian ## the executable for arm64 in an emulator: serving, reload, hand-over, limits, CGI, slow reports (as root)
	@scripts/debian-packages $(PACKAGES_ARM64)
	@$(MAKE) dist/arm64/std-fpm programs
	@mkdir -p dist/test-results
	$(BUN) test/arm64/run.ts

clean: ## what was made, except node_modules
	rm -rf dist
	rm -f $(EXAMPLES) $(MORE_EXAMPLES)

define bun-test
@mkdir -p dist/test-results && rm -f dist/test-results/$(1).xml
$(BUN) test --timeout 60000 --reporter=junit --reporter-outfile=dist/test-results/$(1).xml ./$(2)
endef
