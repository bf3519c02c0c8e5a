module example.com/monorepo/shared/utils

go 1.19
