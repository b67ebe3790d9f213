/* The error texts of the providers, for their profiles only. */
#pragma once

#include "model/provider.h"

/* No text: a plain server says what it means in SQLSTATEs. */
extern const struct provider_text provider_texts_none[];
extern const struct provider_text provider_texts_neon[];
extern const struct provider_text provider_texts_supabase[];

/* Whether TEXT is what ROW describes. */
bool provider_text_matches(const struct provider_text *row, const char *text);
/* The reason of the first row of TEXTS that TEXT is described by, or REASON_NONE. */
enum reason provider_text_reason(const struct provider_text *texts, const char *text);
