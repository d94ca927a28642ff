package app_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/disktest"
)

// TestAFullDiskAcrossARestart: a node that is started while its disk has less than the reserve is
// what it is when that happens while it runs: up, not ready, reading, and refusing changes with 503
// until there is room.
func TestAFullDiskAcrossARestart(t *testing.T) {
	disk := disktest.Mount(t, "96m")
	cfg := lab.Settings(t, config.Dev, map[string]string{"data": filepath.Join(disk, "data"), "disk-reserve": "16MiB", "store-log-size": "1MiB"})
	n := start(t, cfg)
	if err := create(t, n); err != nil {
		t.Fatal(err)
	}
	n.Stop()

	remove := disktest.Fill(t, disk, 8<<20)
	n = start(t, cfg)
	if n.Seeded() == nil || n.Seeded().ChannelARN == "" || len(n.Seeded().UserARNs) != 2 || n.Seeded().RoleARN == "" {
		t.Errorf("what dev mode seeded is not found again: %+v", n.Seeded())
	}
	ops := "http://" + n.OpsAddr()
	ready := func() bool {
		status, _ := get(t, http.DefaultClient, ops+"/readyz")
		return status == http.StatusOK
	}
	if ready() {
		t.Error("it is ready")
	}
	if status, _ := get(t, http.DefaultClient, ops+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz answers %d", status)
	}
	listed, err := chimesdkidentity.New(n.session(t, "https", n.RootKeys())).ListAppInstances(&chimesdkidentity.ListAppInstancesInput{})
	if err != nil || len(listed.AppInstances) != 2 {
		t.Errorf("a read answers %v, %v", listed, err)
	}
	var refused awserr.RequestFailure
	if err := create(t, n); !errors.As(err, &refused) || refused.StatusCode() != http.StatusServiceUnavailable {
		t.Errorf("a change is answered %v", err)
	}
	conn := n.connect(t, "wss", n.UserKeys(t, "alice"), n.Seeded().UserARNs[0])
	if event := read(t, conn).Event(); event != "SESSION_ESTABLISHED" {
		t.Errorf("a socket begins with %s", event)
	}

	remove()
	for !ready() { // the free space is looked at once a second
		time.Sleep(10 * time.Millisecond)
	}
	if err := create(t, n); err != nil {
		t.Error(err)
	}
}

func create(t *testing.T, n node) error {
	t.Helper()
	_, err := chimesdkidentity.New(n.session(t, "https", n.RootKeys())).CreateAppInstance(&chimesdkidentity.CreateAppInstanceInput{Name: aws.String("name")})
	return err
}

// TestANewNodeOnAFullDiskSaysSo: without keys there is nothing that it could serve.
func TestANewNodeOnAFullDiskSaysSo(t *testing.T) {
	disk := disktest.Mount(t, "64m")
	disktest.Fill(t, disk, 12<<20)
	cfg := lab.Settings(t, config.Dev, map[string]string{"data": filepath.Join(disk, "data"), "disk-reserve": "16MiB", "store-log-size": "1MiB"})
	_, err := app.New(t.Context(), cfg, app.Deps{})
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v", err)
	}
}
