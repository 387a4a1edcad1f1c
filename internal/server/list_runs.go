package server

import (
	"context"
	"encoding/binary"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ListRuns pages through runs, newest first.
func (m *model) ListRuns(ctx context.Context, req *pb.ListRunsRequest) (*pb.ListRunsResponse, error) {
	list := listName(pb.ModelService_ListRuns_FullMethodName)
	before, err := runsBefore(list, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize(), defaultListPage, maxListPage)
	runs, err := m.s.deps.Runs.Runs(ctx, before, size+1) // one more tells whether there is a next page
	if err != nil {
		return nil, err
	}
	out := &pb.ListRunsResponse{}
	for i := range runs {
		if i == size {
			out.NextPageToken = writeToken(list, binary.BigEndian.AppendUint64(nil, uint64(runs[i-1].ID)))
			break
		}
		message, err := runMessage(&runs[i])
		if err != nil {
			return nil, err
		}
		out.Runs = append(out.Runs, message)
	}
	return out, nil
}

// runsBefore reads the place in a list of runs: the number that the page before ended with, big endian.
func runsBefore(list [tokenQueryLen]byte, token string) (recsys.RunID, error) {
	if token == "" {
		return 0, nil
	}
	place, err := readToken(list, token)
	if err != nil {
		return 0, err
	}
	if len(place) != 8 || int64(binary.BigEndian.Uint64(place)) <= 0 {
		return 0, badToken()
	}
	return recsys.RunID(binary.BigEndian.Uint64(place)), nil
}
