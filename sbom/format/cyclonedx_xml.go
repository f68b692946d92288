package format

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

func decodeCycloneDXXML(r io.Reader) (*inventory, error) {
	var bom cyclonedx.BOM
	// The library's own decoder is this one, without the limits.
	tokens := &limitedTokens{d: xml.NewDecoder(r)}
	d := xml.NewTokenDecoder(tokens)
	if err := d.Decode(&bom); err != nil {
		return nil, err
	}
	if err := onlySpace(d); err != nil {
		return nil, err
	}
	doc := cdxDocument{Components: fromXML(bom.Components)}
	if m := bom.Metadata; m != nil {
		doc.Metadata = cdxMetadata{Timestamp: m.Timestamp, Tools: toolsFromXML(m.Tools), Properties: propertiesFromXML(m.Properties)}
		if m.Component != nil {
			doc.Metadata.Component = fromXML(&[]cyclonedx.Component{*m.Component})[0]
		}
	}
	return doc.inventory(), nil
}

// onlySpace reads what follows the document.
func onlySpace(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			return errors.New("something follows the end of the document")
		}
	}
}

func fromXML(components *[]cyclonedx.Component) []cdxComponent {
	if components == nil {
		return nil
	}
	out := make([]cdxComponent, 0, len(*components))
	for _, c := range *components {
		out = append(out, cdxComponent{
			Type: string(c.Type), Group: c.Group, Name: c.Name, Version: c.Version, PURL: c.PackageURL,
			Properties: propertiesFromXML(c.Properties), Components: fromXML(c.Components),
		})
	}
	return out
}

func propertiesFromXML(properties *[]cyclonedx.Property) (out cdxProperties) {
	if properties == nil {
		return nil
	}
	for _, p := range *properties {
		if ofInterest(p.Name) {
			out = append(out, cdxProperty{p.Name, p.Value})
		}
	}
	return out
}

func toolsFromXML(tools *cyclonedx.ToolsChoice) (out cdxTools) {
	if tools == nil {
		return nil
	}
	if tools.Tools != nil {
		for _, t := range *tools.Tools {
			out = append(out, cdxTool{t.Name, t.Version})
		}
	}
	if tools.Components != nil {
		for _, c := range *tools.Components {
			out = append(out, cdxTool{c.Name, c.Version})
		}
	}
	return out
}

// maxXMLDepth is how deep elements may be nested. Real documents need ten.
const maxXMLDepth = 1000

// once are the elements that stand at most once in any other.
var once = map[string]uint{
	"metadata": 1 << 0, "components": 1 << 1, "properties": 1 << 2, "name": 1 << 3, "version": 1 << 4, "group": 1 << 5, "purl": 1 << 6,
}

// limitedTokens stops at documents that are nested too deeply, have too many
// elements, or say something twice, before they take memory.
type limitedTokens struct {
	d     *xml.Decoder
	count int
	seen  []uint // what of once has been seen in each open element
}

// Token implements [xml.TokenReader].
func (l *limitedTokens) Token() (xml.Token, error) {
	token, err := l.d.RawToken()
	switch t := token.(type) {
	case xml.StartElement:
		if l.count++; l.count > maxElements {
			return nil, errTooMany
		}
		if len(l.seen) == maxXMLDepth {
			return nil, fmt.Errorf("elements are nested deeper than %d", maxXMLDepth)
		}
		if bit := once[t.Name.Local]; bit != 0 && len(l.seen) > 0 {
			if in := &l.seen[len(l.seen)-1]; *in&bit != 0 {
				return nil, fmt.Errorf("element <%s> stands twice in another", t.Name.Local)
			}
			l.seen[len(l.seen)-1] |= bit
		}
		for i, a := range t.Attr {
			for _, b := range t.Attr[:i] {
				if a.Name == b.Name {
					return nil, fmt.Errorf("attribute %s stands twice in <%s>", a.Name.Local, clip(t.Name.Local))
				}
			}
			if i > 100 {
				return nil, fmt.Errorf("<%s> has more than 100 attributes", clip(t.Name.Local))
			}
		}
		l.seen = append(l.seen, 0)
	case xml.EndElement:
		if len(l.seen) > 0 {
			l.seen = l.seen[:len(l.seen)-1]
		}
	}
	return token, err
}
