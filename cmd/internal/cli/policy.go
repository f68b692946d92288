package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
)

func (c *Console) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Check the operator's policy, and show what holds for a builder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, // otherwise an unknown command is not an error
	}
	cmd.AddCommand(c.policyCheckCommand(), c.policyExplainCommand())
	return cmd
}

func (c *Console) policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a baseplan.toml",
		Long: `Checks an operator's baseplan.toml: keys and values, as the phases do, and also public
keys, the trusted root, patterns, and settings that have no effect.

Keys and the trusted root that the file names by path are read on this machine. Use --root
for a directory with the files of the builder.

Exits 0 if there is no error (warnings may be left), and 3 if there is one.`,
		Example: "  baseplan policy check baseplan.toml\n  baseplan policy check builder/cnb/baseplan.toml --root builder --output json",
		Args:    cobra.ExactArgs(1),
	}
	root := cmd.Flags().String("root", "", "directory in which the paths in the file are looked up (default /)")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		read := platform.ReadBounded
		if args[0] == stdin {
			read = c.readFile
		}
		data, err := read(args[0])
		if err != nil {
			return err
		}
		d := policyCheckDocument{envelope: envelopeOf("policy-check"), File: args[0], Problems: []policyProblem{}}
		d.check(data, *root, c.env("CNB_TRUSTED_ROOT"))
		return c.answer(*output, d, d.text, d.count(policyError) == 0)
	}
	return cmd
}

// A policyCheckDocument is the output of `policy check --output json`.
type policyCheckDocument struct {
	envelope
	File     string          `json:"file"`
	Problems []policyProblem `json:"problems"`
}

// A policyProblem is a problem of a baseplan.toml.
type policyProblem struct {
	Severity string `json:"severity"` // error, warning
	Problem  string `json:"problem"`
}

const (
	policyError   = "error"
	policyWarning = "warning"
)

func (d *policyCheckDocument) add(severity, format string, args ...any) {
	text := strings.TrimPrefix(fmt.Sprintf(format, args...), "reading "+d.File+": ")
	d.Problems = append(d.Problems, policyProblem{severity, text})
}

func (d *policyCheckDocument) count(severity string) int {
	n := 0
	for _, p := range d.Problems {
		if p.Severity == severity {
			n++
		}
	}
	return n
}

// check finds the problems of a file. Paths are in the directory root.
func (d *policyCheckDocument) check(data []byte, root, trustedRoot string) {
	s, errs := platform.CheckSettings(data, d.File)
	for _, err := range errs {
		d.add(policyError, "%v", err)
	}
	if s == nil {
		return
	}
	d.checkTrust(s.Policy, root, trustedRoot)
	for _, text := range provides.MappingWarnings(s.Mapping) {
		d.add(policyWarning, "%s", text)
	}
	p := s.Policy
	if p.RunSBOM == platform.Off {
		d.add(policyWarning, "[policy]: key \"run-sbom\" is off, so the phases ignore all other keys about run images and what they provide")
	}
	if p.Catalog != "" && p.Select != "auto" {
		d.add(policyWarning, "[policy]: key \"catalog\" has no effect unless \"select\" is auto, here or by CNB_RUN_IMAGE_SELECTION")
	}
	for _, x := range p.Extensions {
		if x.Proof == p.Proof {
			d.add(policyWarning, "[[extensions]] %q: key \"proof\" is %s for all extensions; remove the entry", x.ID, x.Proof)
		}
	}
}

// checkTrust checks public keys, identities and the trusted root.
func (d *policyCheckDocument) checkTrust(p platform.Policy, root, trustedRoot string) {
	for i, key := range p.Keys {
		if _, err := trust.Keys([]string{pathIn(root, key, "-----BEGIN")}, "keys"); err != nil {
			d.add(policyError, "[policy]: key \"keys\", element %d: %v", i+1, err)
		}
	}
	if _, err := trust.Root(pathIn(root, p.TrustedRoot, "{"), "trusted-root"); err != nil {
		d.add(policyError, "[policy]: key \"trusted-root\": %v", err)
	}
	switch {
	case len(p.Identities) > 0 && p.TrustedRoot+trustedRoot == "":
		d.add(policyError, "[[identities]] are ignored without a trusted root: set trusted-root in [policy] (baseplan trusted-root > FILE), or CNB_TRUSTED_ROOT for the phases and this command")
	case len(p.Identities) == 0 && p.TrustedRoot != "":
		d.add(policyWarning, "[policy]: key \"trusted-root\" has no effect without [[identities]]")
	}
	if p.Unbound != nil && *p.Unbound && len(p.Keys) == 0 {
		d.add(policyWarning, "[policy]: key \"unbound\" has no effect without \"keys\"")
	}
	for i, id := range p.Identities {
		for _, x := range []struct{ key, pattern string }{{"issuer-pattern", id.IssuerPattern}, {"subject-pattern", id.SubjectPattern}} {
			if x.pattern != "" && (!strings.HasPrefix(x.pattern, "^") || !strings.HasSuffix(x.pattern, "$")) {
				d.add(policyWarning, "[[identities]], element %d: key %q: %q also matches a part of longer text; begin with ^ and end with $", i+1, x.key, x.pattern)
			}
		}
	}
}

// pathIn returns a path in a directory, or a value that is not a path, as its beginning shows.
func pathIn(root, value, inline string) string {
	if root == "" || value == "" || strings.Contains(value, inline) {
		return value
	}
	return filepath.Join(root, value)
}

func (d *policyCheckDocument) text(w io.Writer, width int) {
	t := &table{width: width, head: []string{"SEVERITY", "PROBLEM"}}
	for _, p := range d.Problems {
		t.row(p.Severity, p.Problem)
	}
	t.write(w)
	if len(d.Problems) > 0 {
		fmt.Fprintln(w)
	}
	switch failed := d.count(policyError); {
	case failed > 0:
		fmt.Fprintf(w, "%s is not valid: %s.\n", d.File, counted(failed, "error", "errors"))
	case len(d.Problems) > 0:
		fmt.Fprintf(w, "%s is valid: %s.\n", d.File, counted(len(d.Problems), "warning", "warnings"))
	default:
		fmt.Fprintf(w, "%s is valid.\n", d.File)
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
