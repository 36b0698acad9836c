/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Polynomials behind f32.h and f64.h: minimax of relative error (Remez exchange), coefficients
 * rounded to the type. Included by vec.h.
 */
#ifndef CODEGEN_VECMATH_POLY_H
#define CODEGEN_VECMATH_POLY_H

/* (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2; relative error 1.2e-7. */
RAN_INLINE ran_vf32 v_exp_poly_f32(ran_vf32 r)
{
    ran_vf32 p = v_splat(r, 0.00139013189f);
    p = p * r + 0.00836319942f;
    p = p * r + 0.0416668542f;
    p = p * r + 0.166665763f;
    p = p * r + 0.5f;
    return p;
}

/* (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f between the roots of 1/2 and 2;
 * relative error 6.5e-08. */
RAN_INLINE ran_vf32 v_log_poly_f32(ran_vf32 f)
{
    ran_vf32 p = v_splat(f, 0.0703773499f);
    p = p * f + -0.11514657f;
    p = p * f + 0.116770037f;
    p = p * f + -0.124201357f;
    p = p * f + 0.142493218f;
    p = p * f + -0.166680574f;
    p = p * f + 0.200007141f;
    p = p * f + -0.24999994f;
    p = p * f + 0.333333313f;
    return p;
}

/* erf(x) / x in z = x^2 for |x| <= 1; relative error 1.2e-9. */
RAN_INLINE ran_vf32 v_erf_poly_f32(ran_vf32 z)
{
    ran_vf32 p = v_splat(z, 7.853844e-05f);
    p = p * z + -0.000801018905f;
    p = p * z + 0.00518832728f;
    p = p * z + -0.026853811f;
    p = p * z + 0.112835854f;
    p = p * z + -0.37612626f;
    p = p * z + 1.12837911f;
    return p;
}

/* (t + 4) exp(t^2 / 2) erfc(t / sqrt(2)) / 2 in u = (t - 4) / (t + 4),
 * 0 <= t <= 14.5; relative error 8.6e-9. */
RAN_INLINE ran_vf32 v_tail_poly_f32(ran_vf32 u)
{
    ran_vf32 p = v_splat(u, -0.000131972192f);
    p = p * u + 0.000179352821f;
    p = p * u + 0.00156992266f;
    p = p * u + -0.00351255317f;
    p = p * u + -0.0075252708f;
    p = p * u + 0.0604038313f;
    p = p * u + -0.186523438f;
    p = p * u + 0.387136906f;
    p = p * u + -0.607896566f;
    p = p * u + 0.755285144f;
    return p;
}

/* (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2; relative error 2.7e-18. */
RAN_INLINE ran_vf64 v_exp_poly_f64(ran_vf64 r)
{
    ran_vf64 p = v_splat(r, 2.088942852263023e-09);
    p = p * r + 2.5105280410882582e-08;
    p = p * r + 2.755734965501249e-07;
    p = p * r + 2.755725525745929e-06;
    p = p * r + 2.4801587245492494e-05;
    p = p * r + 0.00019841269874923414;
    p = p * r + 0.0013888888888918159;
    p = p * r + 0.00833333333332611;
    p = p * r + 0.041666666666666616;
    p = p * r + 0.1666666666666667;
    p = p * r + 0.5;
    return p;
}

/* (2 atanh(s) - 2 s) / s^3 in z = s^2, s = f / (2 + f); relative error 2.1e-20. */
RAN_INLINE ran_vf64 v_log_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, 0.11883832653734082);
    p = p * z + 0.11687918170984304;
    p = p * z + 0.13335647988716298;
    p = p * z + 0.15384574912926818;
    p = p * z + 0.18181818596508614;
    p = p * z + 0.22222222219838683;
    p = p * z + 0.28571428571435425;
    p = p * z + 0.3999999999999999;
    p = p * z + 0.6666666666666666;
    return p;
}

/* (2 atanh(s) - 2 s - 2/3 s^3) / s^5 in z = s^2, as above; relative error 3.2e-20. */
RAN_INLINE ran_vf64 v_log_tail_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, 0.1076385053259578);
    p = p * z + 0.1045616810384473;
    p = p * z + 0.11766820315485771;
    p = p * z + 0.1333329636568431;
    p = p * z + 0.15384615763354317;
    p = p * z + 0.1818181817964164;
    p = p * z + 0.22222222222228483;
    p = p * z + 0.28571428571428564;
    p = p * z + 0.4;
    return p;
}

/* erf(x) / x in z = x^2 for |x| <= 1; relative error 1.3e-19. */
RAN_INLINE ran_vf64 v_erf_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, 5.945257693941542e-11);
    p = p * z + -1.1365663136628493e-09;
    p = p * z + 1.4657878989888879e-08;
    p = p * z + -1.6350025076223882e-07;
    p = p * z + 1.6460972801190717e-06;
    p = p * z + -1.4925593505766364e-05;
    p = p * z + 0.00012055331036846668;
    p = p * z + -0.0008548326978740568;
    p = p * z + 0.005223977624780835;
    p = p * z + -0.026866170645072893;
    p = p * z + 0.11283791670954857;
    p = p * z + -0.3761263890318375;
    p = p * z + 1.1283791670955126;
    return p;
}

/* (t + 4) exp(t^2 / 2) erfc(t / sqrt(2)) / 2 in u = (t - 4) / (t + 4),
 * 0 <= t <= 39; relative error 9.9e-19. */
RAN_INLINE ran_vf64 v_tail_poly_f64(ran_vf64 u)
{
    ran_vf64 p = v_splat(u, 5.791198053195701e-11);
    p = p * u + -5.823327517286402e-10;
    p = p * u + -2.633282709308647e-09;
    p = p * u + 1.4003309486465596e-09;
    p = p * u + 1.9583453081883187e-08;
    p = p * u + 1.4083243563657255e-08;
    p = p * u + -8.511655678312128e-08;
    p = p * u + -1.556644147170699e-07;
    p = p * u + 2.7143777380964763e-07;
    p = p * u + 1.0219302827197127e-06;
    p = p * u + -6.294571003601206e-07;
    p = p * u + -5.920302081181194e-06;
    p = p * u + 7.165721544929796e-07;
    p = p * u + 3.514471390493608e-05;
    p = p * u + -1.9082354125018644e-06;
    p = p * u + -0.00023109493881696942;
    p = p * u + 0.00013334430894494255;
    p = p * u + 0.0016308184578500832;
    p = p * u + -0.0034796923670928847;
    p = p * u + -0.007540188966734708;
    p = p * u + 0.060396574890923246;
    p = p * u + -0.18652185795965726;
    p = p * u + 0.38713740074221475;
    p = p * u + -0.6078966419718921;
    p = p * u + 0.7552851304157515;
    return p;
}

/* (sin(r) - r) / r^3 in z = r^2 for |r| <= pi / 4; relative error 1.3e-16. */
RAN_INLINE ran_vf64 v_sin_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, 1.5917821528057157e-10);
    p = p * z + -2.505112731031446e-08;
    p = p * z + 2.755731607922174e-06;
    p = p * z + -0.00019841269836709722;
    p = p * z + 0.008333333333330913;
    p = p * z + -0.16666666666666666;
    return p;
}

/* (cos(r) - 1 + r^2 / 2) / r^4 in z = r^2 for |r| <= pi / 4; relative error 3.1e-17. */
RAN_INLINE ran_vf64 v_cos_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, -1.1382476705286893e-11);
    p = p * z + 2.0876144000332247e-09;
    p = p * z + -2.755731726021e-07;
    p = p * z + 2.4801587298741915e-05;
    p = p * z + -0.001388888888888738;
    p = p * z + 0.041666666666666664;
    return p;
}

/* (atan(x) - x) / x^3 in z = x^2 for |x| <= tan(pi / 8); relative error 9.4e-17. */
RAN_INLINE ran_vf64 v_atan_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, -0.019179696619930582);
    p = p * z + 0.03923472476976205;
    p = p * z + -0.05085585639651456;
    p = p * z + 0.05858181249629229;
    p = p * z + -0.06664515995822272;
    p = p * z + 0.07692183580317552;
    p = p * z + -0.09090904598172073;
    p = p * z + 0.11111111015843195;
    p = p * z + -0.14285714284675197;
    p = p * z + 0.19999999999995569;
    p = p * z + -0.3333333333333333;
    return p;
}

/* (asin(x) - x) / x^3 in z = x^2 for |x| <= 1/2; relative error 7.5e-17. */
RAN_INLINE ran_vf64 v_asin_poly_f64(ran_vf64 z)
{
    ran_vf64 p = v_splat(z, 0.028903901220759327);
    p = p * z + -0.015069103696202084;
    p = p * z + 0.017542176506963582;
    p = p * z + 0.00540472530737324;
    p = p * z + 0.010335312684547267;
    p = p * z + 0.011477223565099505;
    p = p * z + 0.013971416618506781;
    p = p * z + 0.017352378757741278;
    p = p * z + 0.022372173548602547;
    p = p * z + 0.03038194412300514;
    p = p * z + 0.044642857146560536;
    p = p * z + 0.07499999999998327;
    p = p * z + 0.16666666666666669;
    return p;
}

#endif
