/*
 * Every MESSAGE_ID of pgwaked, once. systemd/pgwaked.catalog explains each; a test holds the two together.
 * The first ones stand in the order of enum state (model/state.h).
 */
#pragma once

/* nothing is known of a database (any more) */
#define MESSAGE_ID_DATABASE_UNKNOWN "5500b1fe6fa046f8a5a0a90a4eeee539"
/* a database is asleep */
#define MESSAGE_ID_DATABASE_ASLEEP "df029814395e4ad69816e60e158f9743"
/* a database is waking */
#define MESSAGE_ID_DATABASE_WAKING "25628cc99b4143209697866e5ce92af1"
/* a database is awake */
#define MESSAGE_ID_DATABASE_AWAKE "c29773ae430d47aebb2471b3adbf4523"
/* a database answers, but not as expected */
#define MESSAGE_ID_DATABASE_DEGRADED "08120db602c245779ef3a9930e8791a3"
/* a database has no free connection slot */
#define MESSAGE_ID_DATABASE_FULL "8de9911c60e842aca83efd56fbc806eb"
/* a database does not answer */
#define MESSAGE_ID_DATABASE_DOWN "2caa9929380644dba97a9cbc552fc743"
/* a person must act before a database can answer */
#define MESSAGE_ID_DATABASE_BLOCKED "7c455f6d337e40d5947a565d3372ea07"
/* the month's budget of awake hours of a database is spent */
#define MESSAGE_ID_BUDGET_SPENT "97763b26931649b7badf5b717daf6c4e"
/* there are awake hours in the budget of a database again */
#define MESSAGE_ID_BUDGET_RENEWED "44efad5b510a4281805f935fa12a1b99"
/* the daemon runs; how many databases it watches */
#define MESSAGE_ID_STARTED "aa215cbeb4314098a6afa2a4cc295442"
/* ready.on is met, or ready.timeout is over */
#define MESSAGE_ID_READY "4bfa719f3fc3464abf802688e87cee4f"
/* the daemon ends */
#define MESSAGE_ID_STOPPING "fccabc9134e943f984cbd375a7fe814f"
/* a new configuration is in force */
#define MESSAGE_ID_RELOADED "da96e020901645e5810c310e247d52ec"
/* a new configuration was refused; the old one stays */
#define MESSAGE_ID_RELOAD_FAILED "387faf8c032b4f47b65462435a714474"
/* one complaint about the configuration */
#define MESSAGE_ID_CONFIG_ERROR "65bd23bec4a4444f8466b3bbf5d813f1"
/* something in the configuration that costs money or surprises */
#define MESSAGE_ID_CONFIG_WARNING "e85bacc18e904d4a9736bcf2d64cd446"
/* a server let a door check in without a password: it gets no more of them */
#define MESSAGE_ID_DOOR_OPEN "c51fb60488fd47f7a16f59012aa344cb"
/* one server held a prober past its time; the others moved to a new one */
#define MESSAGE_ID_PROBER_REPLACED "2d5290df034547baa3bfd97e49c0b87e"
/* the host was suspended: all evidence is old */
#define MESSAGE_ID_HOST_SUSPENDED "826e2e3bfc004c1d86b94e6660cb2335"
/* the history is not kept, and why */
#define MESSAGE_ID_HISTORY_OFF "a84be7d2bb084ab3b3d094f259fb57ef"
/* the history is kept again */
#define MESSAGE_ID_HISTORY_ON "6075dd9bda054a97921733dbb7d1be2c"
/* a damaged history file has another name now, and a new one begins */
#define MESSAGE_ID_HISTORY_SET_ASIDE "cff99d031c0542a28fb6370892d1e52a"
/* entries before this one are lost: what reads the log did not keep up */
#define MESSAGE_ID_LOG_DROPPED "0f41de6d405242ff9df0d3ccfcef3eea"
