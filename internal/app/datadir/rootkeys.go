package datadir

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// RootKeys are a root access key that was made for the folder. Its file has the form in which AWS's
// clients read the output of a credential_process.
type RootKeys struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
}

const rootKeys = "root-keys.json"

// ErrNoRootKeys reports that the folder has no root keys of its own.
var ErrNoRootKeys = errors.New("the data folder has no root keys of its own")

// RootKeys reads the folder's root keys. Its error is ErrNoRootKeys when there are none.
func (d *Dir) RootKeys() (keys RootKeys, err error) { return ReadRootKeys(d.path) }

// ReadRootKeys reads the root keys of a folder, which another process may have open.
func ReadRootKeys(folder string) (keys RootKeys, err error) {
	path := filepath.Join(folder, rootKeys)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keys, ErrNoRootKeys
	} else if err != nil {
		return keys, err
	}
	if err := json.Unmarshal(text, &keys); err != nil || keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		return RootKeys{}, fmt.Errorf("%s does not hold root keys", path) // and not what it holds
	}
	return keys, nil
}

// MakeRootKeys makes root keys and stores them in the folder, readable by the owner alone.
func (d *Dir) MakeRootKeys(random io.Reader) (RootKeys, error) {
	var seed [40]byte // 10 bytes for the id, 30 for the secret
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return RootKeys{}, err
	}
	keys := RootKeys{
		Version: 1, AccessKeyID: "CARI" + base32.StdEncoding.EncodeToString(seed[:10]),
		SecretAccessKey: base64.RawURLEncoding.EncodeToString(seed[10:]),
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return RootKeys{}, err
	}
	return keys, writeSynced(filepath.Join(d.path, rootKeys), append(text, '\n'))
}

// ForgetRootKeys removes the folder's root keys, if there are any.
func (d *Dir) ForgetRootKeys() error {
	if err := os.Remove(filepath.Join(d.path, rootKeys)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeSynced writes a file so that a crash leaves the whole text or none.
func writeSynced(path string, text []byte) error {
	temporary := path + ".new"
	_ = os.Remove(temporary) // left by a crash, perhaps with another mode
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}

	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
