module example.com/monorepo/shared/models

go 1.19
