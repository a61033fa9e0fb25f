use frostline_training::backbone::channels_last;
use std::time::Instant;
use tch::{Device, Kind, Tensor};
fn time(name: &str, mut f: impl FnMut()) {
    for _ in 0..5 {
        f();
    }
    let mut best = f64::MAX;
    for _ in 0..40 {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{name}: {:.3} ms", best * 1e3);
}
fn main() {
    tch::set_num_threads(1);
    let o = (Kind::Float, Device::Cpu);
    for (n, c, s) in [(50, 1536, 2), (50, 960, 4), (50, 1536, 4), (64, 1536, 4), (50, 768, 4), (50, 1152, 2)] {
        let x = channels_last(&Tensor::randn([n, c, s, s], o)).set_requires_grad(true);
        let w = channels_last(&Tensor::randn([c, 1, 3, 3], o)).set_requires_grad(true);
        let g = channels_last(&Tensor::randn([n, c, s, s], o));
        let none: Option<&Tensor> = None;
        let conv = |x: &Tensor, w: &Tensor| x.conv2d(w, none, 1, 1, 1, c);
        time(&format!("dw {n} {c} {s} forward"), || {
            let _ = tch::no_grad(|| conv(&x, &w));
        });
        time("  fwd+bwd conv", || {
            conv(&x, &w).backward_with(&g);
        });
        let padded =
            |x: &Tensor, w: &Tensor| channels_last(&x.constant_pad_nd([1, 1, 1, 1])).conv2d(w, none, 1, 0, 1, c);
        time("  fwd+bwd padded first", || {
            padded(&x, &w).backward_with(&g);
        });
        let padded2 = |x: &Tensor, w: &Tensor| {
            channels_last(&x.constant_pad_nd([0, 2, 0, 2]))
                .conv2d(w, none, 1, 1, 1, c)
                .narrow(2, 0, s)
                .narrow(3, 0, s)
        };
        time("  fwd+bwd padded to more", || {
            padded2(&x, &w).backward_with(&g);
        });
        let taps = |x: &Tensor, w: &Tensor| {
            let p = x.permute([0, 2, 3, 1]).constant_pad_nd([0, 0, 1, 1, 1, 1]);
            let mut y: Option<Tensor> = None;
            for i in 0..3 {
                for j in 0..3 {
                    let t = p.narrow(1, i, s).narrow(2, j, s) * w.select(2, i).select(2, j).view([1, 1, 1, c]);
                    y = Some(match y {
                        None => t,
                        Some(y) => y + t,
                    });
                }
            }
            y.unwrap().permute([0, 3, 1, 2])
        };
        time("  fwd+bwd taps", || {
            taps(&x, &w).backward_with(&g);
        });
        let d = (conv(&x, &w) - taps(&x, &w)).abs().max().double_value(&[]);
        println!("   diff {d:.1e}");
    }
    for (n, ci, co, s) in [
        (50, 256, 1536, 2),
        (50, 1536, 256, 2),
        (50, 1536, 64, 1),
        (50, 64, 1536, 1),
        (50, 160, 960, 4),
        (50, 256, 1280, 2),
    ] {
        let x = channels_last(&Tensor::randn([n, ci, s, s], o)).set_requires_grad(true);
        let w = channels_last(&Tensor::randn([co, ci, 1, 1], o)).set_requires_grad(true);
        let g = channels_last(&Tensor::randn([n, co, s, s], o));
        let none: Option<&Tensor> = None;
        let flops = 2.0 * (n * s * s * ci * co) as f64;
        println!("1x1 {n} {ci} {co} {s}: {:.1} MFLOP a pass", flops / 1e6);
        time("  fwd conv", || {
            let _ = tch::no_grad(|| x.conv2d(&w, none, 1, 0, 1, 1));
        });
        time("  fwd+bwd conv", || {
            x.conv2d(&w, none, 1, 0, 1, 1).backward_with(&g);
        });
        let lin = |x: &Tensor| {
            x.permute([0, 2, 3, 1])
                .reshape([n * s * s, ci])
                .mm(&w.view([co, ci]).tr())
                .view([n, s, s, co])
                .permute([0, 3, 1, 2])
        };
        time("  fwd mm", || {
            let _ = tch::no_grad(|| lin(&x));
        });
        time("  fwd+bwd mm", || {
            lin(&x).backward_with(&g);
        });
        let linear = |x: &Tensor| {
            x.permute([0, 2, 3, 1])
                .reshape([n * s * s, ci])
                .linear(&w.view([co, ci]), none)
                .view([n, s, s, co])
                .permute([0, 3, 1, 2])
        };
        time("  fwd linear", || {
            let _ = tch::no_grad(|| linear(&x));
        });
    }
}
trait Back {
    fn backward_with(&self, g: &Tensor);
}
impl Back for Tensor {
    fn backward_with(&self, g: &Tensor) {
        (self * g).sum(Kind::Float).backward();
    }
}
