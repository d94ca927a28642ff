package person

import (
	"context"
	"encoding/base64"
	"slices"

	wire "github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	exportRead  = 2000      // entries that one page reads, about
	exportBytes = 256 << 10 // of the lines of a page, unless the last is longer
)

// part is a part of an export: entries of a range, of which a page has read some.
type part struct {
	number  uint64
	channel string // id of the channel of a part of channels
	table   uint64
	at      store.Key // the latest entry that was read
}

// The parts of an export, in their order. They are in tokens.
const (
	partUser uint64 = iota
	partEndpoints
	partMemberships
	partModerated
	partBans
	partChannels
	partsEnd
)

func (p part) token() string {
	key := store.K().Num(p.number).Str(p.channel).Num(p.table).Str(string(p.at))
	return base64.RawURLEncoding.EncodeToString(key)
}

func parsePart(token *string) (p part, err error) {
	if token == nil || *token == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return p, store.ErrPageToken
	}
	columns, err := store.Key(raw).Columns()
	if err != nil || len(columns) != 4 {
		return p, store.ErrPageToken
	}
	var ok [4]bool
	var at string
	p.number, ok[0] = columns[0].(uint64)
	p.channel, ok[1] = columns[1].(string)
	p.table, ok[2] = columns[2].(uint64)
	at, ok[3] = columns[3].(string)
	if p.at = store.Key(at); slices.Contains(ok[:], false) || p.number >= partsEnd {
		return p, store.ErrPageToken
	}
	return p, nil
}

// page is a page of an export in the making.
type page struct {
	*Service
	store.Reader
	res chime.Resource
	alias
	part

	lines []string
	room  int // entries that may still be read
	bytes int // of the lines
	ended bool
}

// ExportAppInstanceUser lists what a user wrote and is named in, as lines of JSON. A page may have no lines and be
// followed by others: see NextToken.
func (s *Service) ExportAppInstanceUser(ctx context.Context, req *wire.ExportAppInstanceUserRequest) (*wire.ExportAppInstanceUserResponse, error) {
	res, err := s.o.Site.ParseKind(userMember, req.AppInstanceUserARN, chime.KindUser)
	if err != nil {
		return nil, err
	}
	from, err := parsePart(req.NextToken)
	if err != nil {
		return nil, err
	}

	resp := &wire.ExportAppInstanceUserResponse{AppInstanceUserARN: s.o.Site.RefARN(res.App, res.Ref())}
	err = s.o.Store.View(ctx, res.App, func(r store.Reader) error {
		if err := identity.RequireApp(r, userMember, res.App); err != nil {
			return err
		}
		known, err := identity.Known(r, res)
		if err == nil && !known {
			err = noUser()
		}
		if err != nil {
			return err
		}
		p := &page{Service: s, Reader: r, res: res, alias: newAlias(s.o.Site, res.App, res.Ref(), ""), part: from, room: exportRead}
		if err := p.read(); err != nil {
			return err
		}
		resp.Lines = p.lines
		if !p.ended {
			resp.NextToken = p.token()
		}
		return p.progress(resp)
	})
	return resp, err
}

// progress counts the channels of the app instance and those that are done.
func (p *page) progress(resp *wire.ExportAppInstanceUserResponse) error {
	all, _, err := store.Counts.Get(p, store.K(p.app, "channels"))
	if err != nil {
		return err
	}
	resp.Channels = int(all)
	if p.ended {
		resp.ChannelsRead = resp.Channels
		return nil
	}
	if p.number < partChannels {
		return nil
	}

	// The place of the channel among all: an estimate, for ids are spread evenly or in order.
	return p.Scan(store.Channels.ID, store.Range{From: store.K(p.app), To: store.K(p.app, p.channel)}, func(store.Key, []byte) (bool, error) {
		resp.ChannelsRead++
		return resp.ChannelsRead < mostCounted, nil
	})
}

// mostCounted bounds what a page reads to show its progress.
const mostCounted = 10000

// full reports whether the page has what it may have.
func (p *page) full() bool { return p.room <= 0 || p.bytes >= exportBytes }

// read reads parts until the page is full.
func (p *page) read() error {
	for p.number < partChannels {
		if err := p.readOf(); err != nil || p.full() {
			return err
		}
		p.part = part{number: p.number + 1}
	}
	return p.readChannels()
}

// readOf reads a part that is about the user alone.
func (p *page) readOf() error {
	list := store.Prefix(store.K(p.app, string(p.user)))
	switch p.number {
	case partUser:
		p.room--
		return p.readUser()
	case partEndpoints:
		return each(p, store.EndpointsInOrder, list, p.endpoint)
	case partMemberships:
		return each(p, store.MembershipsOf, list, p.membership)
	case partModerated:
		return each(p, store.ModeratedBy, list, p.moderated)
	default:
		return each(p, store.BansOf, list, p.banned)
	}
}

// each calls f for the entries of a range behind the latest, until the page is full.
func each[V any](p *page, table store.Table[V], rng store.Range, f func(V) error) error {
	rng, err := p.rest(rng)
	if err != nil {
		return err
	}
	return table.Each(p, rng, func(key store.Key, v V) (bool, error) {
		p.room--
		p.at = append(p.at[:0:0], key...)
		err := f(v)
		return !p.full(), err
	})
}

// rest is a range behind the latest entry. A token leads nowhere else.
func (p *page) rest(rng store.Range) (store.Range, error) {
	if len(p.at) == 0 {
		return rng, nil
	}
	if string(p.at) < string(rng.From) || string(p.at) >= string(rng.To) {
		return rng, store.ErrPageToken
	}
	rng.From = append(slices.Clone(p.at), 0)
	return rng, nil
}

// channelTables are what is read of each channel, in their order; zero is the channel itself.
var channelTables = [...]store.TableID{0, store.Memberships.ID, store.Moderators.ID, store.Bans.ID, store.Messages.ID, store.Processings.ID}

// readChannels reads the channels in the order of their ids.
func (p *page) readChannels() error {
	p.ended = true
	channels := store.Range{From: store.K(p.app, p.channel), To: store.Prefix(store.K(p.app)).To}
	return store.Channels.Each(p, channels, func(_ store.Key, c chime.Channel) (bool, error) {
		if c.ID != p.channel {
			p.part = part{number: partChannels, channel: c.ID}
		}
		for ; p.table < uint64(len(channelTables)); p.table, p.at = p.table+1, nil {
			if err := p.readOfChannel(c); err != nil {
				return false, err
			}
			if p.full() {
				p.ended = false
				return false, nil
			}
		}
		return true, nil
	})
}

// readOfChannel reads one table of a channel.
func (p *page) readOfChannel(c chime.Channel) error {
	table := channelTables[p.table]
	if table == 0 {
		p.room -= seekCost
		if c.CreatedBy != p.user {
			return nil
		}
		return p.channelMade(c)
	}
	rng, err := p.rest(store.Prefix(store.K(p.app, c.UID)))
	if err != nil {
		return err
	}
	p.room -= seekCost
	return p.Scan(table, rng, func(key store.Key, value []byte) (bool, error) {
		p.room--
		p.at = append(p.at[:0:0], key...)
		if !p.mayName(value) {
			return p.room > 0, nil
		}
		err := p.said(c, table, key, value)
		return !p.full(), err
	})
}
