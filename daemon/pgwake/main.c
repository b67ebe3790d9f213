#include "base/descriptor.h"
#include "pgwake/command.h"

#include <stdlib.h>

int main(int argc, char **argv) {
        if (descriptor_fill_standard() < 0)
                return EXIT_FAILURE;
        return pgwake_main(argc, argv);
}
