package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/postgres"
)

func newDatabase(t testing.TB) string {
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, "host=/tmp/postgres-dev/run user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	name := fmt.Sprintf("t%d", rand.Uint64())
	if _, err := c.Exec(ctx, "create database "+name); err != nil {
		t.Fatal(err)
	}
	url := "host=/tmp/postgres-dev/run user=postgres dbname=" + name
	if err := postgres.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c, err := pgx.Connect(ctx, "host=/tmp/postgres-dev/run user=postgres dbname=postgres")
		if err == nil {
			c.Exec(ctx, "drop database "+name+" with (force)")
			c.Close(ctx)
		}
	})
	return url
}
