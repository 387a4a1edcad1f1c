package server
import ("testing";"time";"fmt"
pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)
func TestZZ(t *testing.T){
 r,_:=newRules(time.Now)
 bad := item(func(it *pb.Item) { for i := range 200 { it.Attributes[fmt.Sprintf("a%03d", i)] = labels(make([]string, 5)...) } })
 for range 3 { s:=time.Now(); err:=r.check(&pb.RegisterItemRequest{Item:bad}); fmt.Println(time.Since(s), len(faultsOf(err))) }
}
func BenchmarkScan(b *testing.B){
 r,_:=newRules(time.Now); m:=r.wire["vitrine.v1.RegisterItemRequest"]
 it:=item(func(it *pb.Item) { for i := range 20 { it.Attributes[fmt.Sprintf("a%03d", i)] = labels("a","b","c") } })
 body:=encode(b,&pb.RegisterItemRequest{Item:it}); b.ReportAllocs()
 for b.Loop(){ if m.scan(body)!=nil{b.Fatal()} }
}
func BenchmarkScanInteraction(b *testing.B){
 r,_:=newRules(time.Now); m:=r.wire["vitrine.v1.RecordInteractionRequest"]
 body:=encode(b,&pb.RecordInteractionRequest{Interaction:interaction(nil)}); b.ReportAllocs()
 for b.Loop(){ if m.scan(body)!=nil{b.Fatal()} }
}
