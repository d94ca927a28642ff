package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/model"
)

func TestCheckedInFilesAreCurrent(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "..")
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from a fresh run: go run ./internal/api/gen", name)
		}
	}
	old, err := generated(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range old {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := files[filepath.ToSlash(name)]; !ok {
			t.Errorf("%s is not generated any more", name)
		}
	}
}

func TestRunWritesAndRemoves(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "internal", "api", "sts", "old.gen.go")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("package sts\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("a stale file stays: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "internal", "api", "messaging", "types.gen.go")); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	fields := map[string]string{
		"ChannelArn": "ChannelARN", "MemberArns": "MemberARNs", "MessageId": "MessageID", "ResourceARN": "ResourceARN",
		"Url": "URL", "ClientIDList": "ClientIDList", "Identity": "Identity", "IdentityId": "IdentityID", "arn": "ARN",
		"AppInstanceUserArn": "AppInstanceUserARN", "TagKeys": "TagKeys", "UrlType": "URLType", "VoipDeviceToken": "VoipDeviceToken",
	}
	for member, want := range fields {
		if got := fieldName(member); got != want {
			t.Errorf("%s: %s, want %s", member, got, want)
		}
	}
	consts := map[string]string{
		"NON_PERSISTENT": "TNonPersistent", "APNS_SANDBOX": "TApnsSandbox", "ChannelMessage": "TChannelMessage", "ALL": "TAll",
		"aws-managed": "TAwsManaged", "explicitDeny": "TExplicitDeny", "INVALID_PINPOINT_ARN": "TInvalidPinpointARN",
	}
	for value, want := range consts {
		if got := constName("T", value); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestEveryPatternCompilesOrIsScanned(t *testing.T) {
	for _, service := range model.Services {
		m, err := model.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range m.Shapes {
			if _, expr := pattern(name, s); expr != "" {
				if _, err := regexp.Compile(expr); err != nil {
					t.Errorf("%s %s: %v", service, name, err)
				}
			}
		}
	}
}

func TestUnknownModelsAreRefused(t *testing.T) {
	minimum := 1
	shapes := func(s *model.Shape) *model.Model {
		return &model.Model{
			Service:    "sts",
			Metadata:   model.Metadata{Protocol: "query"},
			Operations: map[string]*model.Operation{"Op": {Input: "In"}},
			Shapes: map[string]*model.Shape{
				"In": {Type: "structure", Members: []model.Member{{Name: "M", Shape: "S"}}},
				"S":  s,
			},
		}
	}
	cases := map[string]*model.Model{
		"unknown service":  {Service: "other"},
		"unknown protocol": {Service: "sts", Metadata: model.Metadata{Protocol: "ec2"}},
		"missing shape":    {Service: "sts", Metadata: model.Metadata{Protocol: "query"}, Operations: map[string]*model.Operation{"Op": {Input: "In"}}},
		"unknown type":     shapes(&model.Shape{Type: "blob", Min: &minimum}),
		"union":            shapes(&model.Shape{Type: "structure", Union: true}),
	}
	for name, m := range cases {
		if _, err := plan(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
