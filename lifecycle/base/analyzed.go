package base

import (
	"fmt"
	"log/slog"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// NotInDaemon is the reason given for a run image that the analyzer did not find.
const NotInDaemon = "the analyzer did not find it in the docker daemon"

// Analyzed is what an analyzer left about the run image, for a detector, which opens no images.
type Analyzed struct {
	RunImage *platform.RunImage                        // of analyzed.toml; nil: none
	Report   *platform.RunImageReport                  // run-image.toml; nil: none
	Err      error                                     // why run-image.toml cannot be read
	SBOM     func(sbom.Format) (*sbom.Document, error) // reads run-image.sbom.<ext>

	Policy  platform.Policy    // the detector's
	Trust   attach.Trust       // of that policy
	Mapping []provides.Mapping // the operator's, added to the built-in table
	Log     *slog.Logger       // nil: silent
}

// Image returns the run image, with its inventory if that is of this image and trusted here.
func (a *Analyzed) Image() Image {
	if a.RunImage == nil {
		return Image{Why: "the analyzer recorded no run image"}
	}
	run := Image{Reference: reference.Parse(a.RunImage.Name())}
	if a.Policy.RunSBOM == platform.Off {
		return run
	}
	digest := reference.Recorded(a.RunImage.Reference).Digest
	switch {
	case a.Err != nil:
		run.Why = "run-image.toml cannot be read"
		a.warn("run-image.toml", a.Err)
	case a.Report == nil && digest == "":
		run.Why = NotInDaemon
	case a.Report == nil:
		run.Why = "the analyzer wrote no run-image.toml, because it is another lifecycle's or run image SBOMs are disabled there"
	case a.Report.Digest == "" || a.Report.Digest != digest:
		run.Why = "the analyzer's run-image.toml describes another image"
	default:
		run.Digest, run.Config = a.Report.Digest, a.Report.Config
		a.addInventory(&run)
	}
	return run
}

func (a *Analyzed) addInventory(run *Image) {
	source := a.Report.SBOM
	if source == nil {
		run.Why = "the analyzer neither found an attached SBOM nor generated one"
		return
	}
	// The detector's policy, which the analyzer may not have known, applies to the inventory
	// (docs/design.md, "Policy").
	trust := a.Trust
	trust.Unbound = trust.Unbound || a.Policy.Unbound == nil
	if err := source.Check(trust); err != nil {
		a.warn(fmt.Sprintf("the run image's SBOM (%s)", source.Carrier), err)
		run.Why = fmt.Sprintf("its SBOM is not trusted: %v", err)
		return
	}
	declared := a.Report.Declaration
	if declared != nil {
		if err := trust.Check(declared.Signature); err != nil {
			a.warn(fmt.Sprintf("the run image's declaration (%s)", declared.Reference), err)
			declared = nil
		}
	}
	doc, err := a.SBOM(source.Format)
	if err != nil {
		a.warn("the run image's SBOM", err)
		run.Why = "the analyzer's copy of its SBOM cannot be read"
		return
	}
	run.Carrier, run.Set = source.Carrier, ProvidesOf(doc, a.Mapping, declared, run.Reference.String(), a.Log)
}

func (a *Analyzed) warn(what string, err error) {
	orDiscard(a.Log).Warn(fmt.Sprintf("ignoring %s: %v", what, err))
}
