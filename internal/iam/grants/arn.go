package grants

import "github.com/carillon-chat/carillon/internal/chime"

// ARNs of the account's own resources have no region: arn:aws:iam::000000000000:role/path/name.

func arn(site chime.Site, resource string) string {
	return "arn:aws:iam::" + site.Account + ":" + resource
}

// UserARN is the ARN of a user.
func UserARN(site chime.Site, u chime.AccountUser) string { return arn(site, "user"+u.Path+u.Name) }

// RoleARN is the ARN of a role.
func RoleARN(site chime.Site, r chime.Role) string { return arn(site, "role"+r.Path+r.Name) }

// PolicyARN is the ARN of a policy of the account.
func PolicyARN(site chime.Site, p chime.ManagedPolicy) string {
	return arn(site, "policy"+p.Path+p.Name)
}

// ProviderARN is the ARN of the OIDC provider with the URL, which is without https://.
func ProviderARN(site chime.Site, url string) string { return arn(site, "oidc-provider/"+url) }
