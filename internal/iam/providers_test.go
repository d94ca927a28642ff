package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/iam"
)

func TestProvider(t *testing.T) {
	w := newWorld(t)
	thumbprint := strings.Repeat("a", 40)
	made := get[*iam.CreateOpenIDConnectProviderResponse](w, &iam.CreateOpenIDConnectProviderRequest{
		URL: "https://issuer.example:8443/Realm/", ClientIDList: []string{"chat", "web", "chat"}, ThumbprintList: []string{thumbprint},
		Tags: []iam.Tag{{Key: "k", Value: p("v")}},
	})
	if made.OpenIDConnectProviderARN != account0+"oidc-provider/issuer.example:8443/Realm/" || len(made.Tags) != 1 {
		t.Errorf("got %+v", made)
	}
	want := &iam.GetOpenIDConnectProviderResponse{
		URL: "issuer.example:8443/Realm/", ClientIDList: []string{"chat", "web"}, ThumbprintList: []string{thumbprint}, CreateDate: &w.now,
		Tags: []iam.Tag{{Key: "k", Value: p("v")}},
	}
	if diff := cmp.Diff(want, get[*iam.GetOpenIDConnectProviderResponse](w, &iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: made.OpenIDConnectProviderARN})); diff != "" {
		t.Error(diff)
	}
	w.refused(&iam.CreateOpenIDConnectProviderRequest{URL: "https://issuer.example:8443/Realm/"}, "EntityAlreadyExists")
	w.ok(&iam.CreateOpenIDConnectProviderRequest{URL: "https://a.example"})
	var arns []string
	for _, entry := range get[*iam.ListOpenIDConnectProvidersResponse](w, &iam.ListOpenIDConnectProvidersRequest{}).OpenIDConnectProviderList {
		arns = append(arns, entry.ARN)
	}
	if diff := cmp.Diff([]string{account0 + "oidc-provider/a.example", made.OpenIDConnectProviderARN}, arns); diff != "" {
		t.Error(diff)
	}
	for range 2 { // to delete again is no error
		w.ok(&iam.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderARN: made.OpenIDConnectProviderARN})
	}
	w.refused(&iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: made.OpenIDConnectProviderARN}, "NoSuchEntity")
}

func TestProvidersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, url := range []string{
		"a.example", "http://a.example", "https://", "https:///x", "https://:443", "https://u:p@a.example", "https://a.example?x=1", "https://a.example?",
		"https://a.example#x", "https://a.example#", "https://a.example:port", "https:a.example", "https://A.example", "HTTPS://a.example", "https://a.example/%",
	} {
		w.refused(&iam.CreateOpenIDConnectProviderRequest{URL: url}, "InvalidInput")
	}
	var ids, thumbprints []string
	for i := range 101 {
		ids = append(ids, fmt.Sprint("client", i))
		thumbprints = append(thumbprints, fmt.Sprintf("%040d", i))
	}
	w.refused(&iam.CreateOpenIDConnectProviderRequest{URL: "https://a.example", ClientIDList: ids}, "LimitExceeded")
	w.refused(&iam.CreateOpenIDConnectProviderRequest{URL: "https://a.example", ThumbprintList: thumbprints[:6]}, "InvalidInput")
	w.refused(&iam.CreateOpenIDConnectProviderRequest{URL: "https://a.example", Tags: []iam.Tag{{Key: "aws:a", Value: p("")}}}, "InvalidInput")
	w.ok(&iam.CreateOpenIDConnectProviderRequest{URL: "https://a.example", ClientIDList: ids[:100], ThumbprintList: thumbprints[:5]})
	for _, arn := range []string{account0 + "oidc-provider/", account0 + "role/a.example", "arn:aws:iam::111111111111:oidc-provider/a.example"} {
		w.refused(&iam.GetOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn}, "InvalidInput")
		w.refused(&iam.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderARN: arn}, "InvalidInput")
	}
}
