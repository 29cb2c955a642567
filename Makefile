# ordeal: everything people type. `make help` lists the targets.

GO      ?= go
BUILD   := build
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Where the containers' binaries run: Linux, on this machine's kind of processor unless IMAGE_ARCH says otherwise.
IMAGE_ARCH ?= $(shell $(GO) env GOARCH)

# What test-cluster passes on; override with: make test-cluster CLUSTER=local TIME=60s SEED=7
CLUSTER  ?= auto
NODES    ?= 5
CLIENTS  ?= 10
WORKLOAD ?= register
FAULTS   ?= kill,partition
TIME     ?= 30s
RATE     ?= 1000
SEED     ?=
ARGS     ?=

export CGO_ENABLED = 0

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## build ordeal and its nodes into build/
	@mkdir -p $(BUILD)/image
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/ ./cmd/ordeal ./cmd/ordeal-node
	@GOOS=linux GOARCH=$(IMAGE_ARCH) $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/image/ ./cmd/ordeal-node ./cmd/ordeal-agent

.PHONY: test-cluster
test-cluster: build ## the main job: five nodes, clients, kills and partitions, a verdict and a report
	@$(BUILD)/ordeal run --cluster $(CLUSTER) --nodes $(NODES) --clients $(CLIENTS) --workload $(WORKLOAD) --faults "$(FAULTS)" \
	  --time $(TIME) --rate $(RATE) $(if $(SEED),--seed $(SEED)) $(ARGS)

# What torture runs: RUNS tests of each of VERSIONS on the same fresh seeds, or as many as fit into FOR; the exit code is the worst verdict's.
RUNS     ?= 10
ROUNDS   ?= 3
VERSIONS ?= current
FOR      ?=

# Other people's systems that are built: all that have a module of their own below systems/, or some: make systems SYSTEMS='etcd@3.5.2 nats@2.10.22'
SYSTEMS ?= $(patsubst systems/%/go.mod,%,$(subst /builds/v,@,$(wildcard systems/*/builds/v*/go.mod)))

.PHONY: systems
systems: ## build other people's systems into build/systems (minutes each the first time; SYSTEMS='etcd@3.5.2 ...' for some)
	@mkdir -p $(BUILD)/systems
	@for s in $(SYSTEMS:%/go.mod=%); do systems/build.sh $$s $(BUILD)/systems || exit; done

# Known bugs of other people's systems, each with the flags that it was measured with: BUG_RUNS runs on processes of this machine, of which at least
# one has to be invalid. What each is, and how often it is found, is in docs/detection.md.
BUG_RUNS ?= 20
BUG_SEED ?= 1
bug = @$(BUILD)/ordeal torture --cluster local --runs $(BUG_RUNS) --seed $(BUG_SEED) --reproduce 0 --keep none --name known-bug $(1) $(ARGS); \
  code=$$?; [ $$code -eq 1 ] || { echo "no run was invalid: the bug was not found (exit code $$code)"; exit 1; }

.PHONY: known-bugs
known-bugs: $(addprefix known-bug-,etcd-serializable nats-direct hashicorp-local redis-failover rqlite-weak nats-stream-loss nats-lazy-sync etcd-14370 etcd-13766) ## find the known bugs of other people's systems, one after the other (an hour and more)

.PHONY: known-bug-etcd-serializable known-bug-nats-direct known-bug-hashicorp-local known-bug-redis-failover known-bug-rqlite-weak known-bug-nats-stream-loss known-bug-nats-lazy-sync known-bug-etcd-14370 known-bug-etcd-13766
known-bug-etcd-serializable: build ## stale serializable reads of etcd, no fault needed
	@$(MAKE) -s systems SYSTEMS=etcd@3.6.16
	$(call bug,--versions etcd@3.6.16:serializable --nodes 3 --faults none --clients 20 --rate 2000 --time 3s)
known-bug-nats-direct: build ## stale direct gets of NATS, no fault needed
	@$(MAKE) -s systems SYSTEMS=nats@2.12.15
	$(call bug,--versions nats@2.12.15:direct --nodes 3 --faults none --clients 10 --rate 1000 --time 5s)
known-bug-hashicorp-local: build ## stale local reads of hashicorp/raft, no fault needed
	@$(MAKE) -s systems SYSTEMS=hashicorp@1.7.3
	$(call bug,--versions hashicorp@1.7.3:local --nodes 3 --faults none --clients 10 --rate 1000 --time 3s)
known-bug-redis-failover: build ## writes that Redis acknowledged and loses at a failover
	$(call bug,--versions redis:master --nodes 3 --faults kill:leader --clients 10 --rate 1000 --time 20s)
known-bug-rqlite-weak: build ## stale weak reads of rqlite from a leader that was paused
	@$(MAKE) -s systems SYSTEMS=rqlite@8.36.0
	$(call bug,--versions rqlite@8.36.0:weak --nodes 3 --faults pause:leader --clients 300 --rate 300 --timeout 20s --time 20s)
known-bug-nats-stream-loss: build ## writes that NATS 2.10.22 acknowledged and loses over kills
	@$(MAKE) -s systems SYSTEMS=nats@2.10.22
	$(call bug,--versions nats@2.10.22:leader --nodes 3 --faults kill --clients 10 --rate 500 --time 30s)
known-bug-nats-lazy-sync: build ## writes that NATS acknowledged and never synced, lost when all nodes lose power (FUSE)
	@$(MAKE) -s systems SYSTEMS=nats@2.12.15
	$(call bug,--versions nats@2.12.15:leader --nodes 3 --faults disk:power-loss:nodes=all --clients 10 --rate 500 --time 20s)
known-bug-etcd-14370: build ## writes that a single etcd 3.5.4 acknowledged before it had synced them (FUSE)
	@$(MAKE) -s systems SYSTEMS=etcd@3.5.4
	$(call bug,--versions etcd@3.5.4 --nodes 1 --faults disk:fsync-slow:nodes=one:delay=50ms$(comma)disk:power-loss:nodes=one --clients 50 --rate 0 --time 20s)
# One member is killed each 0.6 s while the two others serve. Backends commit as often as they can, so that commits fall into the midst of what is
# applied; timeouts are long, so that a machine with much else to do has a leader, and how long nobody serves is not judged.
known-bug-etcd-13766: build ## replicas of etcd 3.5.2 that differ after kills (Docker)
	@$(MAKE) -s systems SYSTEMS=etcd@3.5.2
	$(call bug,--versions etcd@3.5.2 $(etcd-13766))
etcd-13766 = --cluster docker --schedule systems/etcd/testdata/kills-under-slow-syncs.json --clients 100 --rate 0 --timeout 5s --availability-bound 0 \
  $(addprefix --node-flag=,--backend-batch-interval=100us --election-timeout=3000 --heartbeat-interval=50)

.PHONY: compare-etcd-13766
compare-etcd-13766: build ## etcd 3.5.2 held against 3.5.35 under the kills of known-bug-etcd-13766: which is worse (Docker)
	@$(MAKE) -s systems SYSTEMS='etcd@3.5.2 etcd@3.5.35'
	@$(BUILD)/ordeal compare etcd@3.5.2 etcd@3.5.35 --runs $(BUG_RUNS) --seed $(BUG_SEED) --reproduce 0 --keep none --name compare-etcd-13766 $(etcd-13766) $(ARGS)
comma := ,

.PHONY: test-systems
test-systems: build systems ## each system by itself: valid where it should be, on processes and (where an engine answers) in containers; minutes
	ORDEAL_SYSTEMS_TEST=1 $(GO) test -count=1 -timeout 30m -v ./systems/live

.PHONY: torture
torture: build ## RUNS tests of each of VERSIONS (make torture RUNS=20 TIME=120s, FOR=1h, VERSIONS=HEAD~3,current); what failed is kept
	@$(BUILD)/ordeal torture --cluster $(CLUSTER) --nodes $(NODES) --clients $(CLIENTS) --workload $(WORKLOAD) --faults "$(FAULTS)" \
	  --time $(TIME) --rate $(RATE) --versions $(VERSIONS) $(if $(FOR),--for $(FOR),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

# What nightly runs: every workload named under every mixture, each run RUN_TIME long, new ones for TIME (make nightly TIME=2h; an hour if not given).
NIGHTLY_WORKLOADS ?= register,list-append
NIGHTLY_FAULTS    ?= --faults kill,partition --faults kill,partition,membership,leader
RUN_TIME          ?= 30s
NIGHTLY           := results/nightly

.PHONY: nightly
nightly: build ## the matrix for TIME, compared with the last night: pages and JUnit XML in results/nightly; fails on a violation, a regression, and where nothing is known of a cell
	@torture=0; compare=0; \
	$(BUILD)/ordeal torture --name nightly --cluster $(CLUSTER) --nodes $(NODES) --clients $(CLIENTS) --workload $(NIGHTLY_WORKLOADS) $(NIGHTLY_FAULTS) \
	  --rate $(RATE) --time $(RUN_TIME) --for $(if $(filter command environment,$(firstword $(origin TIME))),$(TIME),1h) --versions $(VERSIONS) $(ARGS) || torture=$$?; \
	$(BUILD)/ordeal compare --latest $(NIGHTLY) --html $(NIGHTLY)/compare.html --junit $(NIGHTLY)/junit.xml --history $(NIGHTLY)/history.html || compare=$$?; \
	[ $$torture -ne 2 ] || torture=0; [ $$torture -eq 0 ] && exit $$compare; exit $$torture

.PHONY: test
test: ## run the tests; no Docker needed
	$(GO) test -timeout 15m ./...

.PHONY: test-race
test-race: ## run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

.PHONY: test-docker
test-docker: build ## the tests that need a Docker engine
	ORDEAL_DOCKER_TEST=1 $(GO) test -count=1 -timeout 10m ./harness/docker/...

.PHONY: test-netem
test-netem: ## the tests of the kernel's traffic control in a virtual machine whose kernel has netem (needs qemu and 27 MB from Debian; minutes)
	nemesis/qdisc/testdata/machine/run $(BUILD)/machine

.PHONY: test-engine-killed
test-engine-killed: build ## a Docker engine of its own is killed in the middle of a run: a clean-up leaves nothing (needs root and dockerd)
	harness/docker/testdata/engine/kill $(BUILD)/ordeal docker-compose.yml

.PHONY: test-docker-runs
test-docker-runs: build ## whole runs on a Docker engine: side by side, schedules carried out on another kind of cluster, killed at any moment
	ORDEAL_DOCKER_TEST=1 $(GO) test -count=1 -timeout 20m ./cmd/ordeal -run 'SideBySide|KilledAtAnyMomentOnDocker'

# How many runs each seeded bug is given at most: make detection CLUSTER=local DETECTION=20 PARALLEL=4
DETECTION ?= 8
PARALLEL  ?= 4

.PHONY: detection
detection: build ## the table of docs/detection.md: how many runs, and how long, until each seeded bug is found on CLUSTER
	@$(BUILD)/ordeal mutants run --runs $(DETECTION) --markdown --cluster $(CLUSTER) --nodes 3 --clients $(CLIENTS) --rate $(RATE) --time 5s \
	  --workload $(WORKLOAD) --faults "$(FAULTS)" --seed 1 --parallel $(PARALLEL) $(ARGS)

# How often test-compare compares a version with itself.
REPETITIONS ?= 20

.PHONY: test-compare
test-compare: build ## a version that fails now and then, compared with itself REPETITIONS times on sim and on local: no more than one false alarm in twenty
	ORDEAL_SELF_COMPARISONS=$(REPETITIONS) $(GO) test ./cmd/ordeal -count=1 -v -timeout 60m -run TestTheSameVersionAgainstItself

.PHONY: test-clock
test-clock: build ## lease reads under clocks: within the bound that the nodes were told they must be right, beyond it wrong answers are found
	@lease="$(BUILD)/ordeal run --cluster $(CLUSTER) --workload read-mostly --rate 4000 --clients 60 --timeout 120ms --quiet $(ARGS)"; \
	$$lease --schedule cmd/ordeal/testdata/clock/within.json || exit 1; code=0; \
	$$lease --schedule cmd/ordeal/testdata/clock/beyond.json || code=$$?; \
	[ $$code -eq 1 ] || { echo "a leader's clock at a quarter of its speed gave exit code $$code, expected 1 (invalid)"; exit 1; }

.PHONY: test-expectations
test-expectations: build ## what a run expects while a fault stands: service with a majority, none without one, loss beyond what Raft promises
	@cmd/ordeal/testdata/expectations/run $(BUILD)/ordeal --cluster $(CLUSTER) --rate 300 --quiet $(ARGS)

# How long the benchmarks' long histories are: make bench-checker OPERATIONS=100000
OPERATIONS ?= 1000000

# Which of them: make bench-checker CHECKS=ListAppend
CHECKS ?= Beside|Check|Repeated|ListAppend|RWRegister|TypicalRun

# A line of the table for each benchmark; what is not one, and no word of the environment, is an error to be seen.
define BENCH_TABLE
BEGIN { print "| history | time | porcupine alone | ratio | peak heap | file |\n|---|---|---|---|---|---|" } \
/^Benchmark.*ns\/op/ { split("", v); for (i = 3; i < NF; i += 2) v[$$(i+1)] = $$i; sub(/^Benchmark/, "", $$1); sub(/-[0-9]+$$/, "", $$1); \
  time = "µs" in v ? sprintf("%.2f ms", v["µs"]/1e3) : sprintf("%.2f s", v["ns/op"]/1e9); \
  alone = "µs-alone" in v ? sprintf("%.2f ms", v["µs-alone"]/1e3) : ""; ratio = "ratio" in v ? sprintf("%.2f", v["ratio"]) : ""; \
  peak = "peak-MB" in v ? sprintf("%.0f MB", v["peak-MB"]) : ""; file = "file-MB" in v ? sprintf("%.0f MB", v["file-MB"]) : ""; \
  print "| " $$1 " | " time " | " alone " | " ratio " | " peak " | " file " |"; fflush(); next } \
/FAIL|panic|Error|expected|actual/ { print > "/dev/stderr"; bad = 1 } END { exit bad }
endef

# The whole course of the checkers' own tests: random histories for each exact checker, against porcupine.
HISTORIES ?= 200000

.PHONY: test-checker
test-checker: ## hold each exact checker against porcupine on HISTORIES random histories, then leave out each of its conditions
	$(GO) test ./checker -timeout 60m -histories=$(HISTORIES) -run 'Agree|LogOrder'
	ORDEAL_CHECKER_CONDITIONS=1 $(GO) test ./checker -timeout 60m -histories=$(HISTORIES) -v -run 'TestEachConditionIsNeeded'

# The hot paths of the harness, of the client library and of the node; what they are is in docs/performance.md. make bench BENCH='Recorder|Worker' BENCHTIME=5s
HOT       := ./history ./harness ./workloads ./report ./raft ./node ./node/client ./node/kv ./node/outbox ./node/wal ./node/wire
BENCH     ?= ^Benchmark(Append.*|Recorder.*|Worker|Timeouts|Generator|Histogram|OnlineCheck|Commit|DriverTurn|Do|Apply|Read|WriteState|DecodeTxn|Clone|Flush|Frames)$$
BENCHTIME ?= 200ms

.PHONY: bench
bench: ## the hot paths of the harness, the client library and the node: time and allocations of each (a minute or two)
	$(GO) test $(HOT) -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem | grep -E '^(Benchmark|pkg|FAIL|---|panic)'

.PHONY: bench-checker
.PHONY: bench-nemesis
bench-nemesis: build ## what each fault takes to apply and to heal, with its evidence: CLUSTER=local, ROUNDS=3
	$(BUILD)/ordeal bench nemesis --cluster $(CLUSTER) --rounds $(ROUNDS)

bench-checker: ## what checking costs, beside porcupine alone, as a table: time, peak heap and file of each history
	@$(GO) test ./checker -run '^$$' -bench '$(CHECKS)' -benchtime 1x -timeout 30m -operations $(OPERATIONS) | awk '$(BENCH_TABLE)'

.PHONY: bench-bounds
bench-bounds: ## limits of time and memory that were asked for, and what checks took: a table
	@ORDEAL_BENCH_BOUNDS=1 $(GO) test ./checker -run TestBoundsTable -v -timeout 30m -operations $(OPERATIONS) | grep '^|'

# What bench-online passes on: make bench-online ONLINE='--rate 5000 --time 30s --rounds 5'
ONLINE ?=

.PHONY: bench-online
bench-online: build ## what checking while a run goes on costs the load generator, as a table
	$(BUILD)/ordeal bench online $(ONLINE)

# What bench-peers passes on: make bench-peers PEERS='--rounds 3 --time 5s --dir /mnt/disk'
PEERS ?=

.PHONY: bench-peers
bench-peers: build ## this node beside etcd, hashicorp/raft and dragonboat: three servers each on loopback, puts and linearizable gets
	@for peer in etcd hashicorp dragonboat; do $(GO) build -C bench/$$peer -trimpath -o ../../$(BUILD)/bench/$$peer . || exit; done
	@$(GO) build -trimpath -o $(BUILD)/bench/ ./bench/compare ./bench/ordeal
	@$(BUILD)/bench/compare $(PEERS)

.PHONY: bench-growth
bench-growth: build ## how the node's cost grows: 3 to 9 servers, 1 to 1,000 clients, logs of a million entries, restarts with 1 GiB of state
	@$(GO) build -trimpath -o $(BUILD)/bench/ ./bench/compare ./bench/ordeal
	@$(BUILD)/bench/compare --systems ordeal --servers 3,5,7,9 --clients 1,16,64,256,1000 --time 2s --rounds 1
	$(GO) test ./node -run '^$$' -bench Growth -benchtime 1x -timeout 30m

.PHONY: bench-report
bench-report: ## the page of a run of a million operations: its size, the time to its first view and until all of it answers
	$(GO) test ./report -run '^$$' -bench MillionOperations -benchtime 1x

.PHONY: lint
lint: ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt -w these:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: image
image: build ## build the nodes' image for docker-compose by hand
	docker build -t ordeal-node:latest -f Dockerfile $(BUILD)/image

.PHONY: test-compose
test-compose: image ## the cluster of docker-compose.yml brought up by hand, with compose v2 or v1, whichever there is (COMPOSE=docker-compose for one)
	harness/docker/testdata/compose/check

.PHONY: doctor
doctor: build ## say what this machine can do
	@$(BUILD)/ordeal doctor

.PHONY: cleanup
cleanup: build ## remove what killed runs left behind
	@$(BUILD)/ordeal cleanup

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)
