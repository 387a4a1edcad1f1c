package recsys

import (
	"encoding/json"
	"fmt"
)

type attributeJSON struct {
	Labels *[]string `json:"labels,omitempty"`
	Number *float64  `json:"number,omitempty"`
	Text   *string   `json:"text,omitempty"`
}

// MarshalJSON writes the one field that the kind names.
func (a Attribute) MarshalJSON() ([]byte, error) {
	var j attributeJSON
	switch a.Kind {
	case KindLabels:
		j.Labels = &a.Labels
	case KindNumber:
		j.Number = &a.Number
	case KindText:
		j.Text = &a.Text
	default:
		return nil, fmt.Errorf("attribute of unknown kind %d: %w", a.Kind, ErrInvalid)
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes; anything else is ErrCorrupt.
func (a *Attribute) UnmarshalJSON(data []byte) error {
	var j attributeJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("attribute: %w: %w", ErrCorrupt, err)
	}
	switch {
	case j.Labels != nil && j.Number == nil && j.Text == nil:
		*a = Labels(*j.Labels...)
	case j.Number != nil && j.Labels == nil && j.Text == nil:
		*a = Number(*j.Number)
	case j.Text != nil && j.Labels == nil && j.Number == nil:
		*a = Text(*j.Text)
	default:
		return fmt.Errorf("attribute: want exactly one of labels, number, text: %w", ErrCorrupt)
	}
	return nil
}
