.PHONY: test race stress postgres lockcheck lint generate web e2e bench soak isolation cuts cuts-race processing ci build

# The Go SDK, a module of its own.
CLIENT = github.com/carillon-chat/carillon/client/...

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/carillon ./cmd/carillon

test:
	go test ./...

race:
	go test -race ./...

stress:
	.ci/stress

# What a client sees, over a PostgreSQL database: the newest version that is installed. Left out are kills of a node in what it
# does behind calls, which another takes over when leases have ended: minutes, and they run over the store of the folder.
postgres:
	go run ./internal/store/pgtest/with -latest go test -timeout 10m -skip 'TestKilledServer(Finishes|Pushes|Posts)' ./conformance ./internal/message ./internal/person ./internal/prefetch ./internal/servicetest ./internal/unread

lockcheck:
	go test -tags lockcheck ./internal/lockorder ./internal/realtime/... ./internal/wsconn \
		./internal/dispatch ./internal/prefetch ./internal/presence ./internal/typing ./internal/unread ./internal/app

lint:
	@test -z "$$(gofmt -l cmd client internal bench conformance e2e endurance)" || { gofmt -l cmd client internal bench conformance e2e endurance; exit 1; }
	go vet ./... $(CLIENT)
	go run $(STATICCHECK) ./... $(CLIENT)
	cd bench/pgchat && go vet ./... && go run $(STATICCHECK) ./...
	cd e2e/lambda && go vet ./... && go run $(STATICCHECK) ./...
	cd e2e/chart && go vet ./... && go run $(STATICCHECK) ./...
	.ci/deadcode

generate:
	go run ./internal/api/gen

web:
	cd web && npm ci && npm run build

e2e:
	cd web && npm run e2e

bench:
	go run ./bench

soak:
	go run ./bench -soak 30m

isolation:
	go run ./endurance isolation -for 2m

cuts:
	go run ./endurance cuts -for 10m

cuts-race:
	go run ./endurance cuts -for 10m -race

processing:
	go run ./endurance processing -for 10m

ci:
	.ci/run
