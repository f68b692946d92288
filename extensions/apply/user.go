//go:build linux

package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// ids returns the numbers of a user in an image's configuration: user or user:group, each a
// name or a number; empty is root.
func (b *build) ids(ctx context.Context, spec string) (uid, gid int, err error) {
	if spec == "" {
		return 0, 0, nil
	}
	name, group, _ := strings.Cut(spec, ":")
	uid, uidErr := number(name)
	gid, gidErr := number(group)
	if uidErr == nil && gidErr == nil {
		return uid, gid, nil
	}
	key := b.key.next("user", spec)
	keeps := b.store != nil && !b.volatile
	if keeps && !b.missed {
		if e, ok := b.store.load(key); ok && e.IDs != nil {
			return e.IDs[0], e.IDs[1], nil
		}
	}
	u, err := b.user(ctx, spec)
	if err != nil {
		return 0, 0, err
	}
	if keeps {
		b.store.saveIDs(key, u.Uid, u.Gid)
	}
	return u.Uid, u.Gid, nil
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// user looks up a user in the tree.
func (b *build) user(ctx context.Context, spec string) (*user.ExecUser, error) {
	if err := b.updateTree(ctx); err != nil {
		return nil, err
	}
	passwd, err := b.database("/etc/passwd")
	if err != nil {
		return nil, err
	}
	group, err := b.database("/etc/group")
	if err != nil {
		return nil, err
	}
	return user.GetExecUser(spec, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), bytes.NewReader(group))
}

// database reads a user database. An image without one has no entries.
func (b *build) database(name string) ([]byte, error) {
	content, err := b.tree.readFile(name, 10<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

// owner returns the owner set by --chown or WORKDIR. Without a group, a named user has its
// primary group, and a number is also the group.
func (b *build) owner(ctx context.Context, chown string) (uid, gid int, err error) {
	if chown == "" {
		return 0, 0, nil
	}
	name, group, grouped := strings.Cut(chown, ":")
	uid, err = number(name)
	gid = uid
	if err != nil {
		u, err := b.user(ctx, name)
		if err != nil {
			return 0, 0, fmt.Errorf("looking up owner %s: %w", chown, err)
		}
		uid, gid = u.Uid, u.Gid
	}
	if !grouped {
		return uid, gid, nil
	}
	if gid, err = number(group); err == nil {
		return uid, gid, nil
	}
	if err := b.updateTree(ctx); err != nil {
		return 0, 0, err
	}
	content, err := b.database("/etc/group")
	if err != nil {
		return 0, 0, err
	}
	found, err := user.ParseGroupFilter(bytes.NewReader(content), func(g user.Group) bool { return g.Name == group })
	if err != nil || len(found) == 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("looking up owner %s: the image has no such group", chown))
	}
	return uid, found[0].Gid, nil
}
