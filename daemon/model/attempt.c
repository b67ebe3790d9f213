#include "model/attempt.h"

#include "base/text.h"

const char *attempt_outcome(const struct attempt *attempt) {
        return reason_class_name(reason_class(attempt->reason));
}

void attempt_set_sqlstate(struct attempt *attempt, const char *sqlstate) {
        bool is_one = sqlstate && classify_begins_with_sqlstate(sqlstate) && strlen(sqlstate) == SQLSTATE_LENGTH;

        (void)text_copy(attempt->sqlstate, sizeof(attempt->sqlstate), is_one ? sqlstate : "");
}
