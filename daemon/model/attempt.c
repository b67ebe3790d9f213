#include "model/attempt.h"

const char *attempt_outcome(const struct attempt *attempt) {
        return reason_class_name(reason_class(attempt->reason));
}
