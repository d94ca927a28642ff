package datadir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Site is what every ARN of the stored data names.
type Site struct {
	Region, Account string
}

const siteFile = "site.json"

// CheckSite refuses a region or account that is not the stored data's: every ARN would be another
// one. A folder without a recorded site fits every one.
func CheckSite(path string, site Site) error {
	var kept Site
	text, err := os.ReadFile(filepath.Join(path, siteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}

	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("%s: %w", siteFile, err)
	}
	if kept != site {
		return fmt.Errorf("data folder %s: its ARNs are of region %s and account %s, the settings say %s and %s, under which none of them would be known; "+
			"set --region %s --account %s, or use another folder", path, kept.Region, kept.Account, site.Region, site.Account, kept.Region, kept.Account)
	}
	return nil
}

// KeepSite notes the site of the data.
func (d *Dir) KeepSite(site Site) error {
	text, err := json.Marshal(site)
	if err != nil {
		return err
	}
	path, text := filepath.Join(d.path, siteFile), append(text, '\n')
	if kept, err := os.ReadFile(path); err == nil && bytes.Equal(kept, text) {
		return nil
	}
	return writeSynced(path, text)
}
