package iam_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/iam"
)

// The work of a page is bounded: many pairs with many patterns come in more pages, and a pair that would
// be too much by itself is refused. Nothing is left out or comes twice.
func TestAPageOfASimulationIsBoundedByItsWork(t *testing.T) {
	s := iam.New(iam.Options{})
	pattern := `"chime:` + strings.Repeat("*a", 60) + `"`
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":[` + strings.Repeat(pattern+",", 150) + pattern + `]}}`
	req := &iamapi.SimulateCustomPolicyRequest{PolicyInputList: slices.Repeat([]string{document}, 5), MaxItems: p(1000)}
	for i := range 6 {
		req.ActionNames = append(req.ActionNames, fmt.Sprint("chime:", strings.Repeat("a", 60), i))
		req.ResourceARNs = append(req.ResourceARNs, "arn:aws:chime:us-east-1:000000000000:app-instance/"+strings.Repeat("a", 400)+fmt.Sprint(i))
	}
	pages, seen := 0, map[string]int{}
	for more := true; more; pages++ {
		resp, err := s.SimulateCustomPolicy(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range resp.EvaluationResults {
			seen[r.EvalActionName+" "+r.EvalResourceName]++
		}
		if len(resp.EvaluationResults) == 0 || len(resp.EvaluationResults) > 20 {
			t.Fatalf("a page of %d results", len(resp.EvaluationResults))
		}
		req.Marker, more = &resp.Marker, resp.IsTruncated
	}
	if len(seen) != 36 || pages < 6 {
		t.Errorf("%d pairs in %d pages", len(seen), pages)
	}
	for pair, times := range seen {
		if times != 1 {
			t.Errorf("%s comes %d times", pair, times)
		}
	}
	req.Marker, req.ResourceARNs = nil, []string{"arn:aws:chime:us-east-1:000000000000:app-instance/" + strings.Repeat("a", 5000)}
	_, err := s.SimulateCustomPolicy(t.Context(), req)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Type != "InvalidInputException" || e.Member != "PolicyInputList" {
		t.Errorf("a pair that is too much: %v", err)
	}
}

// A page far down the list of a large simulation costs no more than the first, and a marker that
// somebody made up is refused.
func TestALatePageOfASimulationCostsWhatTheFirstDoes(t *testing.T) {
	const many = 50_000
	req := &iamapi.SimulateCustomPolicyRequest{
		PolicyInputList: []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
	}
	for i := range many {
		req.ActionNames = append(req.ActionNames, fmt.Sprint("a:", i))
		req.ResourceARNs = append(req.ResourceARNs, fmt.Sprint("r", i))
	}
	scope := strings.Join([]string{"SimulateCustomPolicy", strings.Join(req.ActionNames, ","), strings.Join(req.ResourceARNs, ",")}, "\n")
	ask := func(place string) (*iamapi.SimulatePolicyResponse, error) {
		sum := sha256.Sum256([]byte(scope))
		marker := base64.RawURLEncoding.EncodeToString(append(sum[:8], place...))
		req.Marker = &marker
		return iam.New(iam.Options{}).SimulateCustomPolicy(t.Context(), req)
	}
	resp, err := ask(fmt.Sprintf("%019d", many*many-3))
	if err != nil || len(resp.EvaluationResults) != 2 || resp.IsTruncated || resp.EvaluationResults[1].EvalResourceName != "r49999" {
		t.Errorf("the last page: %+v, %v", resp, err)
	}
	for place, want := range map[string]bool{"x": false, "-5": false, fmt.Sprint(many * many): false, "9223372036854775807": false} {
		if _, err := ask(place); (err == nil) != want {
			t.Errorf("place %s: %v", place, err)
		}
	}
}
