/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers as text, independent of the locale: for IR, JSON and generated C. */
#ifndef IR_NUMBER_H
#define IR_NUMBER_H

#include <stddef.h>

enum { RAN_NUMBER_SIZE = 32 };

/* The fewest digits (%g's form) that read back equal; "inf", "-inf", "nan" (whose sign and payload
 * are lost). Returns the length. */
size_t ran_format_f64(double value, char out[RAN_NUMBER_SIZE]);
size_t ran_format_f32(float value, char out[RAN_NUMBER_SIZE]);

/* Like strtod and strtof in the C locale. */
double ran_parse_f64(const char *text, char **out_end);
float ran_parse_f32(const char *text, char **out_end);

#endif
