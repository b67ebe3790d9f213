#include "ctl/command.h"

int main(int argc, char **argv) {
        return pgwake_main(argc, argv);
}
