package identity

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/store"
)

// errBeingErased refuses an id whose former holder is still named by records.
var errBeingErased error = api.Conflict("the former app instance user with this AppInstanceUserId is being erased")

// Withdraw deletes a user as DeleteAppInstanceUser does, and forgets the names of all that held the id: no
// page shows one from the commit on. A deletion that is left as a task stays one. found is false when there
// is no user of the id, and was none that is remembered.
func (s *Service) Withdraw(tx store.Tx, res chime.Resource) (found bool, err error) {
	if err := RequireApp(tx, users.member, res.App); err != nil {
		return false, err
	}
	ref, now := res.Ref(), s.now()
	there, err := store.Users.Has(tx, store.K(res.App, res.ID))
	if err != nil {
		return false, err
	}
	if there {
		if _, err := users.remove(tx, s, res, chime.EventDeleteUser, now); err != nil {
			return false, err
		}
	}

	if found, err = s.forgetNames(tx, res.App, ref); err != nil {
		return false, err
	}
	if !found {
		_, found, err = jobs.Find(tx, res.App, ref)
	}
	if err != nil || !found {
		return found, err
	}
	_, err = tx.Append(eventOf(chime.EventEraseUser, res.App, ref, now))
	return true, err
}

// forgetNames removes the names of former holders of an id.
func (s *Service) forgetNames(tx store.Tx, app string, ref chime.Ref) (found bool, err error) {
	under := store.K(app, string(ref))
	if found, err = store.FormerNames.HasPrefix(tx, under); err != nil || !found {
		return false, err
	}
	return true, store.FormerNames.DeletePrefix(tx, under)
}

// Known reports whether there is a user of the id, or was one that is remembered.
func Known(r store.Reader, res chime.Resource) (bool, error) {
	if there, err := Exists(r, res.App, res.Ref()); err != nil || there {
		return there, err
	}
	return store.FormerNames.HasPrefix(r, store.K(res.App, string(res.Ref())))
}
