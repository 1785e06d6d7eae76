# `make demo` and `make test`: each installs what it needs on a fresh Debian machine, then runs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVERS ?= mariadb mysql
SERVER ?= mariadb
export SERVERS

.PHONY: demo test fast lint soundness crash retention servers-mariadb servers-mysql pictures bench golden generated clean oss-conformance bench-bucket test-oss test-series oss-day

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bkpc needs Python 3.11 or newer: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || bash tests/database_server/need.sh python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[runtime,dev]'
	@touch $@

servers-mariadb:
	@bash tests/database_server/need.sh mariadb-server mariadb-backup age zstd

servers-mysql:
	@bash tests/database_server/need.sh age zstd debootstrap
	@bash tests/database_server/fetch_mysql.sh

# What looks at the report and draws the graph in tests.
pictures:
	@bash tests/database_server/need.sh graphviz chromium chromium-driver

demo: $(VENV)/ready servers-$(SERVER)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.demo --server $(SERVER)

test: $(VENV)/ready $(addprefix servers-,$(SERVERS)) pictures lint
	$(BIN)/pytest -n 2

# What a change is checked with between edits: no servers, under a minute.
fast: $(VENV)/ready
	$(BIN)/pytest -q --ignore=tests/servers --ignore=tests/crash --ignore=tests/soundness/test_soundness.py

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	PYTHONPATH=compiler:runtime:grammar $(BIN)/lint-imports

# A million random estates against the simulator: hours. CASES and SEED say how many, and which.
CASES ?= 1000000
SEED ?= 1
soundness: $(VENV)/ready
	$(BIN)/python -m tests.soundness --cases $(CASES) --seed $(SEED)

# Lives of a database drawn at random, through expiry: what is promised stays, what should go goes.
EXAMPLES ?= 2000
STEPS ?= 60
retention: $(VENV)/ready
	EXAMPLES=$(EXAMPLES) STEPS=$(STEPS) $(BIN)/pytest -q --timeout 0 tests/runtime/retention/test_machine.py tests/runtime/retention/test_preview.py

# bkpc and its server killed at every boundary with a store, not at one in twelve.
crash: $(VENV)/ready $(addprefix servers-,$(SERVERS))
	BKPC_CRASH_STRIDE=1 $(BIN)/pytest tests/crash

# The live test-suites of Alibaba's SDKs against tests/oss_server; renews tests/oss_server/CONFORMANCE.md. oss2's suite
# comes from PyPI; for the other say V2=FOLDER, a checkout of aliyun/alibabacloud-oss-python-sdk-v2.
V2 ?=
SUITES := .suites
$(SUITES)/ready:
	$(PYTHON) -m venv $(SUITES)
	$(SUITES)/bin/pip install --quiet --disable-pip-version-check oss2==2.19.1 aliyun-python-sdk-sts aiohttp mock \
	  pycryptodome crcmod requests pytest pytest-timeout
	@touch $@

oss-conformance: $(VENV)/ready $(SUITES)/ready
	$(BIN)/python -m tests.oss_server.conformance --keep --python $(SUITES)/bin/python \
	  --suite oss2=$$($(BIN)/python -m tests.oss_server.conformance.suite_source) $(if $(V2),--suite alibabacloud-oss-v2=$(V2))

# Side by side with a peer in one run; prints ratios.
bench: $(VENV)/ready servers-$(SERVER)
	$(BIN)/python -m bench.full_image --server $(SERVER)
	$(if $(filter mariadb,$(SERVER)),$(BIN)/python -m bench.physical_image)
	$(BIN)/python -m bench.stream_lag --server $(SERVER)
	$(BIN)/python -m bench.recovery --server $(SERVER)
	$(BIN)/python -m bench.cold_check

# All tests of servers that use a store, on a bucket instead of a directory.
test-oss: $(VENV)/ready $(addprefix servers-,$(SERVERS))
	STORE=oss $(BIN)/pytest -q $(addprefix tests/servers/test_,$(addsuffix .py,accounts backup_restore breaks clone engines \
	  hot_sync log_stream physical preflight recovery troubled_servers unusual_servers zoo)) \
	  tests/crash tests/runtime/retention/test_expire.py

# The tests of what depends on a server's version, on another series of it: MYSQL=8.0 MARIADB=10.6, or the newer ones.
MYSQL ?= 8.4
MARIADB ?= 11.8
test-series: $(VENV)/ready
	@for series in mysql-$(MYSQL) mariadb-$(MARIADB); do bash tests/database_server/fetch_series.sh $$series || exit; done
	BKPC_MYSQL=$(MYSQL) BKPC_MARIADB=$(MARIADB) $(BIN)/pytest -q $(addprefix tests/servers/test_,$(addsuffix .py,accounts \
	  backup_restore breaks clone copied engines failover failover_left failover_sync hot_sync lacking_target log_stream physical \
	  preflight recovery scratch_server server_objects tables tables_needing_others unusual_servers zoo))

# 24 hours of the virtual clock with faults at 2 % of all requests; CI lives two of them.
HOURS ?= 24
oss-day: $(VENV)/ready servers-$(SERVER)
	SERVERS=$(SERVER) BKPC_OSS_HOURS=$(HOURS) $(BIN)/pytest -q -s --timeout 0 tests/servers/test_day_on_a_bucket.py

# The driver of OSS beside oss2's own transfers, on the tests' server. ROUNDS: the more, the less a busy machine shows.
ROUNDS ?= 7
bench-bucket: $(VENV)/ready
	$(BIN)/python -m bench.bucket --rounds $(ROUNDS)
	$(BIN)/python -m bench.side_by_side

# Renews every golden file; look at the difference before committing it.
golden: $(VENV)/ready
	BKPC_RENEW=1 $(BIN)/pytest -q --ignore=tests/servers --ignore=tests/crash

# What is generated and committed: the plan's schema, the parser's table.
generated: $(VENV)/ready
	$(BIN)/python -m bkpc_grammar.schema
	$(BIN)/python -m bkpc_compiler.syntax.grammar

clean:
	rm -rf $(VENV) $(SUITES) .mypy_cache .ruff_cache .pytest_cache .hypothesis
