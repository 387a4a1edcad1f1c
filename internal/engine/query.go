package engine

import (
	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Strategy says which kind of evidence ordered a list; values equal vitrine.v1.Strategy.
type Strategy int32

// The strategies.
const (
	StrategyBlend Strategy = iota + 1
	StrategySimilarity
	StrategyPopular
)

// FallbackReason says why a list is not the personal blend; values equal vitrine.v1.FallbackReason.
type FallbackReason int32

// The reasons; 0 means that there was no fallback.
const (
	FallbackNone FallbackReason = iota
	FallbackNoUser
	FallbackUnknownUser
	FallbackNoFactorModel
	FallbackStoreUnavailable
	FallbackEmptyCatalog
	FallbackExhausted
	FallbackFiltered
)

// RecommendQuery asks for a list. Limits were checked at the door.
type RecommendQuery struct {
	Actor          recsys.Actor // zero: nobody
	ContextItemIDs []string
	ExcludeItemIDs []string
	PageSize       int // 1..200
	Filter         string
	Diversity      float64
	Placement      string
	IncludeSeen    bool
	ValidateOnly   bool
}

// Recommendations is an ordered list and what made it.
type Recommendations struct {
	Items            []Recommendation // best first
	RecommendationID string
	Space            recsys.SpaceID
	Model            recsys.ModelID
	Strategy         Strategy
	FallbackReason   FallbackReason
}

// Recommendation is one item of a list; Breakdown's parts sum to Score.
type Recommendation struct {
	ItemID           string
	Title            string
	Score            float64
	Breakdown        rank.Parts
	ReasonItemIDs    []string
	InteractionCount int64
}

// SimilarQuery asks for the neighbours of an item, a picture, or an item with another picture.
type SimilarQuery struct {
	ItemID        string
	Image         []byte
	PageSize      int // 1..200
	Filter        string
	MinSimilarity float64 // -1 leaves nothing out
}

// Similar lists neighbours, most similar first.
type Similar struct {
	Items []SimilarItem
	Space recsys.SpaceID
}

// SimilarItem is one neighbour; Blocks holds the cosine of every block both have.
type SimilarItem struct {
	ItemID     string
	Title      string
	Similarity float64
	Blocks     map[string]float32
}

// Registration is an item to create or replace. Image nil means that it has no picture.
type Registration struct {
	Item    recsys.Item
	Image   []byte
	Request recsys.RequestID

	FindDuplicate bool // ask for Registered.DuplicateOf
}

// Registered tells what became of a Registration; Err concerns that item alone.
type Registered struct {
	Item    recsys.Item
	Space   recsys.SpaceID
	Created bool
	Err     error

	DuplicateOf *Duplicate // nil: none was found, or none was asked for
}

// ItemUpdate changes fields of an item. Change edits a copy of the stored item and may run more than
// once; its error refuses the update. Image replaces the picture if ImageSet; nil then removes it.
type ItemUpdate struct {
	ItemID   string
	Change   func(*recsys.Item) error
	Image    []byte
	ImageSet bool
	Request  recsys.RequestID
}
