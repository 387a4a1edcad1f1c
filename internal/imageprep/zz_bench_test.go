package imageprep
import ("testing";"os";"path/filepath";"syscall")
func cpu()int64{var r syscall.Rusage;syscall.Getrusage(0,&r);return r.Utime.Nano()+r.Stime.Nano()}
func benchFiles(b *testing.B,g string)[][]byte{fs,_:=filepath.Glob(g);var o [][]byte;for i,f:=range fs{if i>=100{break};x,_:=os.ReadFile(f);o=append(o,x)};return o}
func run(b *testing.B,f func(i int)){best:=int64(1e18);n:=20;i:=0;for b.Loop(){t:=cpu();for range n{f(i);i++};best=min(best,(cpu()-t)/int64(n))};b.ReportMetric(float64(best)/1e3,"µs-cpu-best");b.ReportMetric(0,"ns/op")}
func benchPath(b *testing.B,g string){
 d:=benchFiles(b,g); rule:=Rule{256,224,[3]float32{127,127,127},[3]float32{128,128,128}}
 b.Run("decode",func(b *testing.B){run(b,func(i int){Decode(d[i%len(d)],DefaultLimits())})})
 var ps []*Picture; for _,x:=range d{p,_:=Decode(x,DefaultLimits());ps=append(ps,p)}
 b.Run("tensor",func(b *testing.B){run(b,func(i int){ps[i%len(ps)].Tensor(rule)})})
 b.Run("rgb",func(b *testing.B){run(b,func(i int){p:=ps[i%len(ps)]; buf:=make([]byte,3*p.Width());for y:=range p.Height(){p.rows.rgb(buf,y,0,p.Width())}})})
}
func BenchmarkPoster(b *testing.B){benchPath(b,"/work/shared/data/mllatest-posters-1999plus/images/*")}
func BenchmarkLarge(b *testing.B){benchPath(b,"/work/shared/golden/images/jpeg_large*")}
