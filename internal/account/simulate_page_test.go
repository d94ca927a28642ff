package account_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/account"
	wire "github.com/carillon-chat/carillon/internal/api/iam"
)

// A page far down the list of a large simulation costs no more than the first, and a marker that
// somebody made up is refused.
func TestALatePageOfASimulationCostsWhatTheFirstDoes(t *testing.T) {
	const many = 50_000
	req := &wire.SimulateCustomPolicyRequest{
		PolicyInputList: []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
	}
	for i := range many {
		req.ActionNames = append(req.ActionNames, fmt.Sprint("a:", i))
		req.ResourceARNs = append(req.ResourceARNs, fmt.Sprint("r", i))
	}
	scope := strings.Join([]string{"SimulateCustomPolicy", strings.Join(req.ActionNames, ","), strings.Join(req.ResourceARNs, ",")}, "\n")
	ask := func(place string) (*wire.SimulatePolicyResponse, error) {
		sum := sha256.Sum256([]byte(scope))
		marker := base64.RawURLEncoding.EncodeToString(append(sum[:8], place...))
		req.Marker = &marker
		return account.New(account.Options{}).SimulateCustomPolicy(t.Context(), req)
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
