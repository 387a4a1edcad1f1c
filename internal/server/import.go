package server

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	// batchBytes ends a batch: what one engine call holds is this and at most one row more.
	batchBytes = 16 << 20
	// importWindow is how many bytes of rows one stream may have waiting or being committed: one
	// batch of each. Beyond it nothing is received, and HTTP/2 holds the client back.
	importWindow = 2 * batchBytes
)

// importPlan is what differs between the imports. W is what the engine takes.
type importPlan[Req proto.Message, Resp, W any] struct {
	method  string
	maxRows int // of a batch
	new     func() Req
	itemID  func(Req) string
	convert func(method string, req Req) (W, error)
	// commit gives the rows to the engine in one call. The outcomes are in order.
	commit func(ctx context.Context, writes []W) []rowOutcome
	// answer makes the response to a row.
	answer func(row rowAnswer) *Resp
}

// rowOutcome is what became of a row.
type rowOutcome struct {
	created bool
	err     error
}

// rowAnswer is what the client is told about a row.
type rowAnswer struct {
	index   int64
	itemID  string
	created bool
	status  *status.Status
}

// importRow is a received row.
type importRow[W any] struct {
	index  int64
	itemID string
	write  W
	fault  error // the row is answered with it and not committed
	size   int64 // what it holds of the stream's window
	weight int64 // what it holds of the bytes in flight
}

// importRun is one import stream. A goroutine receives, checks and converts while the batch
// before is being committed; a batch is what has arrived by then, so a slow client gets every row
// answered at once and a fast one gets large commits, without a timer between them.
//
// Every row is answered, in the order of arrival: a faulty one with its status, and the others go
// on. Clients read answers while they send; who only sends is held back once the windows of the
// connection are full of answers.
type importRun[Req proto.Message, Resp, W any] struct {
	s      *Server
	plan   importPlan[Req, Resp, W]
	stream grpc.ServerStream
	window *semaphore.Weighted
	rows   chan importRow[W]
	end    error // why no more rows come; read after rows was closed
}

func runImport[Req proto.Message, Resp, W any](s *Server, stream grpc.ServerStream, plan importPlan[Req, Resp, W]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	r := &importRun[Req, Resp, W]{s: s, plan: plan, stream: stream,
		window: semaphore.NewWeighted(importWindow), rows: make(chan importRow[W], plan.maxRows)}
	go r.receive(ctx)
	defer r.abandon()
	defer cancel()
	for {
		batch, err := r.gather(ctx)
		if len(batch) > 0 {
			if err := r.settle(ctx, batch); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// receive fills rows until the client has sent all, the call ends or the server stops.
func (r *importRun[Req, Resp, W]) receive(ctx context.Context) {
	defer close(r.rows)
	defer rescue(&r.end)
	for index := int64(0); ; index++ {
		select {
		case <-r.s.draining:
			r.end = errDraining
			return
		default:
		}
		req := r.plan.new()
		err := r.stream.RecvMsg(req)
		fault, faulty := errors.AsType[rowError](err)
		if err != nil && !faulty {
			r.end = err
			return
		}
		row := r.row(index, req, fault.error)
		if err := r.reserve(ctx, &row, req); err != nil {
			r.end = err
			return
		}
		select {
		case r.rows <- row:
		case <-ctx.Done():
			r.release([]importRow[W]{row})
			r.end = ctx.Err()
			return
		}
	}
}

func (r *importRun[Req, Resp, W]) row(index int64, req Req, fault error) importRow[W] {
	row := importRow[W]{index: index, itemID: r.plan.itemID(req), fault: fault}
	if wire, ok := errors.AsType[*wireFault](fault); ok {
		row.itemID = wire.itemID
	}
	if fault == nil {
		row.write, row.fault = r.plan.convert(r.plan.method, req)
	}
	return row
}

// reserve waits for room for a row. Rows that hold room are always ahead of those that wait for
// it and are settled without waiting for any, so this cannot lock up.
func (r *importRun[Req, Resp, W]) reserve(ctx context.Context, row *importRow[W], req Req) error {
	if row.fault != nil {
		return nil // its message is dropped
	}
	size, weight := min(int64(proto.Size(req)), importWindow), r.s.weight(req)
	if err := r.window.Acquire(ctx, size); err != nil {
		return err
	}
	row.size = size
	if err := r.s.budget.Acquire(ctx, weight); err != nil {
		return err
	}
	row.weight = weight
	return nil
}

func (r *importRun[Req, Resp, W]) release(batch []importRow[W]) {
	for i := range batch {
		r.window.Release(batch[i].size)
		r.s.budget.Release(batch[i].weight)
		batch[i].size, batch[i].weight = 0, 0
	}
}

// abandon gives back what rows hold that were received and will not be settled.
func (r *importRun[Req, Resp, W]) abandon() {
	go func() { // receive stops once the handler has returned
		for row := range r.rows {
			r.release([]importRow[W]{row})
		}
	}()
}

// gather waits for a row and takes what else has arrived. It returns an error when no more rows
// come: io.EOF if the client has sent all.
func (r *importRun[Req, Resp, W]) gather(ctx context.Context) (batch []importRow[W], err error) {
	var size int64
	for len(batch) < r.plan.maxRows && size < batchBytes {
		select {
		case row, ok := <-r.rows:
			if !ok {
				return batch, r.end
			}
			batch = append(batch, row)
			size += row.size
			continue
		default:
		}
		if len(batch) > 0 {
			break
		}
		select {
		case row, ok := <-r.rows:
			if !ok {
				return batch, r.end
			}
			batch = append(batch, row)
			size += row.size
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.s.draining:
			return nil, errDraining
		}
	}
	return batch, nil
}

// settle commits the sound rows of a batch and answers all of them.
func (r *importRun[Req, Resp, W]) settle(ctx context.Context, batch []importRow[W]) error {
	outcomes := make([]rowOutcome, len(batch))
	var writes []W
	var at []int
	for i := range batch {
		outcomes[i].err = batch[i].fault
		if batch[i].fault == nil {
			writes = append(writes, batch[i].write)
			at = append(at, i)
		}
	}
	if len(writes) > 0 {
		for k, outcome := range r.plan.commit(ctx, writes) {
			outcomes[at[k]] = outcome
		}
	}
	r.release(batch)
	told := make(map[codes.Code]bool)
	for i, row := range batch {
		st := r.statusOf(ctx, outcomes[i].err, told)
		answer := rowAnswer{index: row.index, itemID: row.itemID, created: outcomes[i].created, status: st}
		if err := r.stream.SendMsg(r.plan.answer(answer)); err != nil {
			return err
		}
		r.s.metrics.rows.WithLabelValues(r.plan.method[1:], st.Code().String()).Inc()
	}
	return nil
}

// statusOf logs the cause of a failure once a batch: when the store is away, all rows share it.
func (r *importRun[Req, Resp, W]) statusOf(ctx context.Context, err error, told map[codes.Code]bool) *status.Status {
	c := callOf(ctx)
	st := statusOf(err, c.id)
	if told[st.Code()] {
		return st
	}
	told[st.Code()] = true
	return r.s.settle(ctx, c, err)
}
