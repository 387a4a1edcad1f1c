package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// Models shows and changes what lists are made with: *engine.Engine.
type Models interface {
	Encoders() ([]engine.EncoderInfo, error)
	Spaces(ctx context.Context) ([]engine.SpaceVersion, error)
	Models(ctx context.Context) ([]engine.ModelVersion, error)
	ActivateModel(ctx context.Context, id recsys.ModelID) error
	RollBack(ctx context.Context) (recsys.ModelID, error)
}

var _ Models = (*engine.Engine)(nil)

// Runs keeps runs, which are done elsewhere: *postgres.Store.
type Runs interface {
	// CreateRun queues a run; ErrConflict if the request id was used with another body.
	CreateRun(ctx context.Context, kind recsys.RunKind, order []byte, request recsys.RequestID) (recsys.Run, error)
	// Run returns a run, ErrNotFound if there is none.
	Run(ctx context.Context, id recsys.RunID) (recsys.Run, error)
	// Runs returns at most limit runs before one, newest first; 0: from the newest.
	Runs(ctx context.Context, before recsys.RunID, limit int) ([]recsys.Run, error)
	// EndRun ends a run unless it has ended.
	EndRun(ctx context.Context, id recsys.RunID, state recsys.RunState, outcome []byte, fault string) error
}

// model answers ModelService, one file per call.
type model struct {
	pb.UnimplementedModelServiceServer
	s *Server
}

// queue asks for a run.
func (m *model) queue(ctx context.Context, method string, req proto.Message, kind recsys.RunKind, order engine.RunOrder) (*pb.Run, error) {
	request, err := requestID(method, req)
	if err != nil {
		return nil, err
	}
	stored, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	run, err := m.s.deps.Runs.CreateRun(ctx, kind, stored, request)
	if err != nil {
		return nil, err
	}
	return runMessage(&run)
}

// numberOf reads the number of a name such as run-7, whose shape was checked at the door; 0 for
// the empty name.
func numberOf(name string) int64 {
	number, err := strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return number
}

func runMessage(r *recsys.Run) (*pb.Run, error) {
	var outcome engine.RunOutcome
	if len(r.Outcome) > 0 {
		if err := json.Unmarshal(r.Outcome, &outcome); err != nil {
			return nil, fmt.Errorf("outcome of %v: %w: %w", r.ID, recsys.ErrCorrupt, err)
		}
	}
	return &pb.Run{
		Run: r.ID.String(), Kind: pb.RunKind(r.Kind), State: pb.RunState(r.State),
		Stage: r.Stage, Done: r.Done, Total: r.Total, Error: r.Error,
		EmbeddingSpace: recsys.SpaceID(outcome.Space).String(), EmbeddingSpaceLive: outcome.SpaceLive,
		FactorModel: recsys.ModelID(outcome.Model).String(), FactorModelLive: outcome.ModelLive, Verdict: outcome.Verdict,
		CreateTime: timestampOf(r.CreateTime), StartTime: timestampOf(r.StartTime), EndTime: timestampOf(r.EndTime),
	}, nil
}

// unstored names the field whose value is not there.
func unstored(err error, field string) error {
	if !errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	return &recsys.FieldError{Field: field, Reason: "is not stored", Err: recsys.ErrNotFound}
}

func spaceMessage(s *engine.SpaceVersion) *pb.EmbeddingSpace {
	out := &pb.EmbeddingSpace{
		EmbeddingSpace: s.ID.String(), Encoder: s.Encoder, Dims: int32(s.Dims), Live: s.Live, Vectors: s.Vectors,
		Parent: s.Lineage.Parent, Reason: s.Lineage.Reason, SchemaGiven: s.Lineage.SchemaGiven,
		Items: int32(s.Lineage.Items), FittedOn: int32(s.Lineage.FittedOn), CatalogSeq: s.Lineage.CatalogSeq,
		CreateTime: timestampOf(s.CreateTime), ActivateTime: timestampOf(s.ActivateTime),
	}
	for _, b := range s.Lineage.Blocks {
		out.Blocks = append(out.Blocks, &pb.EmbeddingBlock{Name: b.Name, Dims: int32(b.Dims), Weight: b.Weight})
	}
	if l := s.Lineage.Learned; l != nil && l.Weight > 0 {
		out.LearnedAttribute = l.Label
	}
	if v := s.Lineage.Verdict; v != nil {
		out.Verdict = v.Reason
		for _, name := range slices.Sorted(maps.Keys(v.Metrics)) {
			out.Metrics = append(out.Metrics, metricMessage(name, v.Metrics[name]))
		}
	}
	return out
}

func factorModelMessage(m *engine.ModelVersion) (*pb.FactorModel, error) {
	recipe, err := json.Marshal(m.Training.Recipe)
	if err != nil {
		return nil, err
	}
	out := &pb.FactorModel{
		FactorModel: m.ID.String(), Live: m.Live, Items: int32(m.Training.Items), Users: int32(m.Training.Users), Pairs: int64(m.Training.Rows),
		Digest: m.Training.Digest, RecipeJson: string(recipe), CatalogSeq: m.CatalogSeq, InteractionSeq: m.InteractionSeq,
		CreateTime: timestampOf(m.CreateTime), ActivateTime: timestampOf(m.ActivateTime),
	}
	if v := m.Training.Verdict; v != nil {
		out.Verdict = v.Reason
		if v.New != nil {
			out.Metrics = []*pb.Metric{metricMessage("ndcg10", v.New.NDCG10), metricMessage("ndcg100", v.New.NDCG100), metricMessage("recall20", v.New.Recall20)}
		}
	}
	return out, nil
}

func metricMessage(name string, f engine.Figure) *pb.Metric {
	return &pb.Metric{Name: name, Mean: f.Mean, StandardError: f.StdErr}
}
