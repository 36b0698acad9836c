/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What searches do with models as wholes: clean them up, compile them, cut pieces out. */
#ifndef SEARCH_MODEL_H
#define SEARCH_MODEL_H

#include <ran/ir.h>

/* Constants folded, canonical, composite ops recognised: as `rancc --substitute` finds a model. */
RAN_MUST_USE ran_status ran_search_clean(ran_module *module);

#endif
