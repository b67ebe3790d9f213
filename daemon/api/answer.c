#include "api/answer.h"

#include <assert.h>

static_assert(sizeof(struct complaint_status) <= FIELD_ROW_MAX, "a row is larger than allowed");

#define MEMBER(member) offsetof(struct refusal_answer, member)

const struct field refusal_fields[] = {
        {"error", FIELD_TEXT, MEMBER(error), FIELD_REQUIRED, NULL},
        {"message", FIELD_TEXT, MEMBER(message), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct unknown_name_answer, member)

const struct field unknown_name_fields[] = {
        {NULL, FIELD_INLINE, MEMBER(refusal), 0, refusal_fields},
        {"known", FIELD_TEXTS, MEMBER(known), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct unknown_path_answer, member)

const struct field unknown_path_fields[] = {
        {NULL, FIELD_INLINE, MEMBER(refusal), 0, refusal_fields},
        {"endpoints", FIELD_TEXTS, MEMBER(endpoints), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct history_status, member)

static const struct field history_status_fields[] = {
        {"health", FIELD_TEXT, MEMBER(health), 0, NULL},
        {"message", FIELD_TEXT, MEMBER(message), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct status_head, member)

const struct field status_head_fields[] = {
        {"version", FIELD_TEXT, MEMBER(version), 0, NULL},
        {"now", FIELD_TIME, MEMBER(now_real_usec), 0, NULL},
        {"ready", FIELD_BOOL, MEMBER(ready), FIELD_REQUIRED, NULL},
        {"history", FIELD_OBJECT, MEMBER(history), 0, history_status_fields},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct readyz_head, member)

const struct field readyz_head_fields[] = {
        {"ready", FIELD_BOOL, MEMBER(ready), FIELD_REQUIRED, NULL},
        {"count", FIELD_COUNT, MEMBER(count), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct pause_answer, member)

const struct field pause_fields[] = {
        {"name", FIELD_TEXT, MEMBER(name), 0, NULL},
        {"paused_until", FIELD_TIME, MEMBER(paused_until_real_usec), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct lease_answer, member)

const struct field lease_answer_fields[] = {
        {"lease", FIELD_OBJECT, MEMBER(lease), FIELD_REQUIRED, lease_fields},
        {NULL, FIELD_INLINE, MEMBER(verdict), 0, verdict_fields},
        {"generation", FIELD_COUNT, MEMBER(generation), 0, NULL},
        {0},
};

const struct field lease_event_fields[] = {
        {"kind", FIELD_TEXT, MEMBER(kind), 0, NULL},
        {"at", FIELD_TIME, MEMBER(at_real_usec), 0, NULL},
        {"database", FIELD_TEXT, MEMBER(database), 0, NULL},
        {NULL, FIELD_INLINE, 0, 0, lease_answer_fields},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct lease_end_answer, member)

const struct field lease_end_fields[] = {
        {"id", FIELD_COUNT, MEMBER(id), 0, NULL},
        {"reason", FIELD_TEXT, MEMBER(reason), FIELD_REQUIRED, NULL},
        {"message", FIELD_TEXT, MEMBER(message), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct lease_deleted_answer, member)

const struct field lease_deleted_fields[] = {
        {"id", FIELD_COUNT, MEMBER(id), 0, NULL},
        {"ended", FIELD_BOOL, MEMBER(ended), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct complaint_status, member)

static const struct field complaint_fields[] = {
        {"file", FIELD_TEXT, MEMBER(file), 0, NULL},
        {"line", FIELD_COUNT, MEMBER(line), 0, NULL},
        {"severity", FIELD_TEXT, MEMBER(severity), 0, NULL},
        {"message", FIELD_TEXT, MEMBER(message), FIELD_REQUIRED, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct reload_answer, member)

const struct field reload_fields[] = {
        {"ok", FIELD_BOOL, MEMBER(ok), 0, NULL},
        {"complaints", FIELD_LIST, MEMBER(complaints), 0, complaint_fields},
        {"added", FIELD_COUNT, MEMBER(added), 0, NULL},
        {"removed", FIELD_COUNT, MEMBER(removed), 0, NULL},
        {"changed", FIELD_COUNT, MEMBER(changed), 0, NULL},
        {"unchanged", FIELD_COUNT, MEMBER(unchanged), 0, NULL},
        {0},
};

#undef MEMBER
#define MEMBER(member) offsetof(struct reload_refused_answer, member)

const struct field reload_refused_fields[] = {
        {NULL, FIELD_INLINE, MEMBER(refusal), 0, refusal_fields},
        {"complaints", FIELD_LIST, MEMBER(complaints), 0, complaint_fields},
        {0},
};
